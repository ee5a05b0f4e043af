"""Import what other tools have stored: pure readers, one a format, and the service that stores what they read."""
