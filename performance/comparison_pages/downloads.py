"""The table of differences as a file: numbers instead of texts."""

from performance.comparison_pages.selectors import Pair
from performance.metrics.comparison import MetricComparison
from performance.snapshots.downloads import Download, estimate_headers


def difference_download(pair: Pair) -> Download:
    """Return the table of differences with all digits, and with a column for each end of an interval."""
    headers = ("Metric", *pair.names, *estimate_headers("Difference"), "Method", "Result", "Why")
    differences = pair.differences.metrics
    rows = [[metric.name, *_difference_values(differences[metric.name])] for metric in pair.task_type.metrics]
    return Download("Differences", headers, rows)


def _difference_values(compared: MetricComparison) -> list[object]:
    interval = compared.confidence_interval
    ends = (interval.lower, interval.upper, interval.method) if interval else (None, None, None)
    values = (compared.value, compared.baseline_value, compared.difference, *ends)
    return [*values, str(compared.direction), compared.detail]
