"""Confidence intervals from two predictions of the same examples."""
