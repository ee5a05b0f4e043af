"""What two predictions of the same examples say."""
