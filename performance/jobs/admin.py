"""How jobs are shown in the admin."""

STATE_COLORS = {"queued": "default", "running": "info", "succeeded": "success", "failed": "danger"}
