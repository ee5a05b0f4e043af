"""Colours of job states in the admin."""

STATE_COLORS = {"queued": "default", "running": "info", "succeeded": "success", "failed": "danger"}
