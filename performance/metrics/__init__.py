"""From predictions to metrics, each with its uncertainty. Pure: knows neither Django nor DRF.

The sufficient statistics are SQL aggregates in one dialect, which DuckDB runs, or Apache Spark after translation. What
follows from them is arithmetic in Python.
"""
