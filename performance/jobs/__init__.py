"""Jobs that workers claim from the database."""
