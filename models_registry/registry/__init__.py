"""Models, versions and promotions."""
