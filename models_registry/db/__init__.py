"""How statements are compiled and rows are written."""
