"""Metrics computed from uploaded predictions."""
