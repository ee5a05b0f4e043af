"""Metric snapshots, and how they are read."""
