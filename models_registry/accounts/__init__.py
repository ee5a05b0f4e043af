"""Users, organizations, members and grants."""
