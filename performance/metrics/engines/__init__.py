"""Engines that run the SQL of the metrics."""
