"""Report whether the service is alive, and whether it is ready for requests."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from config.problems import problem_response
from models_registry.api.errors import MethodNotAllowedError, ServiceUnavailableError
from models_registry.db.outages import READ_ONLY
from performance.jobs.models import Worker

Result = TypeVar("Result")

READY_WITHIN = 1.8
NO_WORKER = "No worker is alive, so queued evaluations wait. Start one: manage.py worker."
PROBE_ERRORS = (Error, FutureTimeoutError)
_probes = ThreadPoolExecutor(max_workers=2, thread_name_prefix="readiness")


def _probe(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Allow only GET and HEAD for a view, and refuse other methods with a problem document."""

    def probe(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        return problem_response(request, MethodNotAllowedError(allowed=("GET", "HEAD")))

    return csrf_exempt(probe)


@_probe
def alive(request: HttpRequest) -> HttpResponse:
    """Return 200: the process can respond."""
    return JsonResponse({"status": "alive"})


@_probe
def ready(request: HttpRequest) -> HttpResponse:
    """Return 200 if the database is reachable and migrated, else 503, within two seconds.

    A read-only database is ready for reads; with `?writable=true` the response is 503. With `?include=worker` it is 503
    while no worker is alive.
    """
    asks_for_worker = request.GET.get("include") == "worker"
    try:
        missing, writable = run_probe(_state_of_database)
        has_worker = asks_for_worker and not missing and run_probe(Worker.objects.alive().exists)
    except PROBE_ERRORS:
        return problem_response(request, ServiceUnavailableError())
    if missing:
        return problem_response(
            request, ServiceUnavailableError(f"Migrations to apply: {missing}. Run manage.py migrate.")
        )
    if not writable and request.GET.get("writable") == "true":
        return problem_response(request, ServiceUnavailableError(READ_ONLY))
    if asks_for_worker and not has_worker:
        return problem_response(request, ServiceUnavailableError(NO_WORKER))
    worker = {"worker": True} if has_worker else {}
    return JsonResponse({"status": "ready", "writable": writable, **worker})


def run_probe(read: Callable[[], Result]) -> Result:
    """Return what `read` returns from the database. Raises one of `PROBE_ERRORS` after `READY_WITHIN` seconds.

    It runs in another thread, as a frozen database could block this one beyond any timeout.
    """

    def read_and_close() -> Result:
        try:
            return read()
        finally:
            connection.close()

    return _probes.submit(read_and_close).result(timeout=READY_WITHIN)


def _state_of_database() -> tuple[int, bool]:
    """Return the number of unapplied migrations, and whether the database is writable."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes())), _is_writable()


def _is_writable() -> bool:
    if connection.vendor == "sqlite":
        return os.access(connection.settings_dict["NAME"], os.W_OK)
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone() == ("off",))
