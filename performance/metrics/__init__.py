"""Compute metrics with confidence intervals from predictions. Knows neither Django nor DRF.

Sufficient statistics are SQL aggregates in one dialect. DuckDB runs them as they are, Apache Spark after translation.
The rest is arithmetic in Python.
"""
