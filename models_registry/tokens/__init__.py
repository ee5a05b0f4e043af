"""Logins and their tokens."""
