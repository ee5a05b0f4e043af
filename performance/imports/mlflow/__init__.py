"""Runs and registered models of MLflow: from its own folders, its exports and its tracking server."""
