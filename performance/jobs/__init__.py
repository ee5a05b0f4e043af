"""Work that workers take from the database."""
