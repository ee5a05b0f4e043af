"""The metrics of each task type."""
