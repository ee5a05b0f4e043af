"""Tests of `performance/comparison_pages`."""
