"""The admin site, and middleware for its pages alone."""
