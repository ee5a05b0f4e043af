"""Settings in which intervals must hold, by family of metrics. `tests.benchmarks.coverage` runs them."""
