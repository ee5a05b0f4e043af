"""Requests as a histogram: their number and duration by method, route and status.

Several processes serve one address, and a scrape reaches any one of them. `config.serve` therefore names a folder in
`PROMETHEUS_MULTIPROC_DIR`, where each process keeps its counts, and every process reports the sums.
"""

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "registry_request_duration_seconds",
    "Requests, by method, route (the pattern of the URL) and status.",
    ["method", "route", "status"],
    buckets=BUCKETS,
)
_series: dict[tuple[str, str, int], Histogram] = {}  # found faster than by `labels`


def count_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Count a request that was answered."""
    key = (method_of(request), route_of(request), response.status_code)
    series = _series.get(key)
    if series is None:
        series = _series[key] = REQUESTS.labels(*key)
    series.observe(seconds)


def method_of(request: HttpRequest) -> str:
    """Return the method of a request, or `other`: a caller may send any word."""
    return request.method if request.method in METHODS else "other"


def route_of(request: HttpRequest) -> str:
    """Return the pattern of the URL that a request matched, or `unmatched`: a raw path has no end of values."""
    match = request.resolver_match
    return f"/{match.route}" if match else "unmatched"
