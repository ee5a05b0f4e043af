"""What the service is measured against: the same endpoint written otherwise, and views that do less."""
