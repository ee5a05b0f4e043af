"""Database access: prepared queries, migration operations, outages and deletion in batches."""
