"""`GET /metrics`, for a Prometheus that has the token."""

import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from config.metrics.collector import ServiceCollector
from config.problems import problem_response
from models_registry.api.errors import MethodNotAllowedError, NotAuthenticatedError, NotFoundError


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of all processes of this server. Without `METRICS_TOKEN` there is no such page."""
    if not settings.METRICS_TOKEN:
        return problem_response(request, NotFoundError())
    if request.method not in {"GET", "HEAD"}:
        return problem_response(request, MethodNotAllowedError(allowed=("GET", "HEAD")))
    if not _has_token(request):
        return problem_response(request, NotAuthenticatedError("Send METRICS_TOKEN as a bearer token."))
    return HttpResponse(
        generate_latest(ServiceCollector()), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
    )


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    given = token.strip(" ").encode("utf-8", "surrogateescape")
    return scheme.lower() == "bearer" and secrets.compare_digest(given, settings.METRICS_TOKEN.encode())
