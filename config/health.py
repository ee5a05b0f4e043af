"""Whether the service is alive, and whether it is ready for requests."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from config.problems import respond

READY_WITHIN = 1.8
_probes = ThreadPoolExecutor(max_workers=2, thread_name_prefix="readiness")


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Answer that the process can answer."""
    return JsonResponse({"status": "alive"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database is reachable and migrated; else 503, within two seconds.

    The look is taken in another thread, as a frozen database would hold this one past any timeout of its own.
    """
    try:
        missing = _probes.submit(_unapplied_migrations).result(timeout=READY_WITHIN)
    except (DatabaseError, FutureTimeoutError):
        return respond(request, "service_unavailable")
    if missing:
        return respond(request, "service_unavailable", detail=f"Migrations to apply: {missing}. Run manage.py migrate.")
    return JsonResponse({"status": "ready"})


def _unapplied_migrations() -> int:
    try:
        executor = MigrationExecutor(connection)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    finally:
        connection.close()
