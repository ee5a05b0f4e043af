"""How long each list, page and read takes among a million snapshots, over HTTP and in the admin.

Prints the median time and the number of statements of each; exits with 1 if one takes longer than `--limit`.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from tests.benchmarks import audit

MODEL_ID = "'mdl-' || lpad(to_hex({number}::bigint * 2654435761 %% 1099511627776), 10, '0')"
VERSIONS_OF_MODEL = 10
# What is asked of the start page, by what it shows.
START = {
    "start": "",
    "start, last page": "?page=200",
    "start, last evaluated": "?o=-evaluated",
    "start, search": "?q=model+4711",
    "start, archived": "?state=archived",
    "start, failed gates": "?attention=gate",
}
METRICS = ("accuracy", "precision", "recall", "f1_score", "roc_auc", "log_loss")

# Every organization has as many models, every model as many versions, and every version as many snapshots.
FILL = f"""
SET session_replication_role = replica;  -- the rows fit each other: no look at the foreign key of each

INSERT INTO models_registry_organization (id, slug, name, created_at)
SELECT i, 'organization-' || i, 'Organization ' || i, now() FROM generate_series(1, %(organizations)s) i;

INSERT INTO models_registry_user (id, password, is_superuser, username, first_name, last_name, email, is_staff,
    is_active, date_joined, is_service_account)
SELECT 1000 + i, '!', false, 'user' || i, '', '', '', false, true, now(), false
FROM generate_series(1, %(models)s) i;

INSERT INTO models_registry_membership (organization_id, user_id, role)
SELECT i %% %(organizations)s + 1, 1000 + i, 'admin' FROM generate_series(1, %(models)s) i;

INSERT INTO models_registry_registeredmodel (model_id, organization_id, name, task_type, description, tags, created_at,
    promoted_version_id)
SELECT {MODEL_ID.format(number="i")}, i %% %(organizations)s + 1, 'model ' || i, 'classification', 'Which one is it?',
    '["nightly"]', now() - i * interval '1 minute', i * {VERSIONS_OF_MODEL}
FROM generate_series(1, %(models)s) i;

INSERT INTO models_registry_version (id, model_id, number, state, description, source_uri, parameters, tags, created_at,
    completed_at)
SELECT i, {MODEL_ID.format(number=f"((i - 1) / {VERSIONS_OF_MODEL} + 1)")}, (i - 1) %% {VERSIONS_OF_MODEL} + 1,
    'completed', '', 's3://models/it', '{{}}', '[]', now() - i * interval '1 second', now()
FROM generate_series(1, %(models)s * {VERSIONS_OF_MODEL}) i;

INSERT INTO performance_metricsnapshot (version_id, dataset_split, dataset, metrics, sample_count, source, created_by,
    evaluated_at, created_at)
SELECT (i - 1) %% (%(models)s * {VERSIONS_OF_MODEL}) + 1, (ARRAY['test', 'validation', 'train'])[i %% 3 + 1],
    CASE WHEN i %% 7 = 0 THEN 'october' ELSE '' END,
    jsonb_build_object({", ".join(f"'{name}', round(random()::numeric, 4)" for name in METRICS)}), 5000, 'imported', '',
    now() - i * interval '1 second', now()
FROM generate_series(1, %(snapshots)s) i;

INSERT INTO models_registry_promotion (model_id, version_id, promoted_by_id, promoted_at, reason, overridden)
SELECT model_id, id, NULL, now() - id * interval '1 second', 'better', false FROM models_registry_version;

INSERT INTO performance_gateverdict (model_id, version_id, occasion, status, document, requested_by, judged_at)
SELECT model_id, id, 'promotion', 'passed', '{{"rules": []}}', '', now() - id * interval '1 second'
FROM models_registry_version;

INSERT INTO performance_evaluationjob (id, version_id, organization_id, dataset_split, columns, options, dataset, file,
    digest, progress, state, problem, attempts, created_at, started_at, finished_at)
SELECT gen_random_uuid(), version.id, model.organization_id, 'test', '{{}}', '{{}}', '', '', '', 1, 'failed',
    '{{"title": "Unprocessable predictions", "detail": "There is no row."}}', 1,
    now() - version.id * interval '1 second', now(), now()
FROM models_registry_version version JOIN models_registry_registeredmodel model USING (model_id);

SELECT setval(pg_get_serial_sequence(name, 'id'), 10000000) FROM unnest(ARRAY['models_registry_organization',
    'models_registry_user', 'models_registry_version']) name;

SET session_replication_role = DEFAULT
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A page: its median time in milliseconds, and the number of its statements."""

    name: str
    milliseconds: float
    statements: int


def fill(*, organizations: int, models: int, snapshots: int, entries: int) -> None:
    """Add the records, and have PostgreSQL look at them as it does by itself a while later."""
    sizes = {"organizations": organizations, "models": models, "snapshots": snapshots}
    audit.fill_fast(entries)
    with psycopg.connect(
        os.environ["DATABASE_URL"], autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as connection:
        connection.execute(FILL, sizes)
        connection.execute("VACUUM ANALYZE")


def pages(root: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each page, and what asks for it."""
    from models_registry.accounts.models import ModelGrant, User
    from models_registry.registry.models import RegisteredModel
    from tests.admin_pages import logged_in
    from tests.conftest import authenticated
    from tests.operations import OPERATIONS, furnish

    target = furnish(RegisteredModel.objects.get(name="model 1"))
    callers = {"superuser": User.objects.get(username="root"), "admin": User.objects.get(username="user1")}
    for caller, user in callers.items():
        client = authenticated(user)
        for operation in OPERATIONS:
            if operation.method == "GET" and operation.status == 200:
                yield f"{operation}, {caller}", _page(client, operation.path(target))
    for name, address in _admin_addresses():
        yield name, _page(root, address)
    grantee = User.objects.create(username="grantee")
    ModelGrant.objects.create(model=RegisteredModel.objects.get(name="model 2"), user=grantee, scope="model:read")
    for caller, user in {"admin": callers["admin"], "grantee": grantee}.items():
        client = logged_in(user)
        for name, address in _lists_of(user):
            yield f"{name}, {caller}", _page(client, address)


def measure(name: str, ask: Callable[[], Any], rounds: int) -> Measured:
    """Return what a page costs, once its templates and the rows are in memory."""
    from django.db import connection

    statements = audit.Statements()
    with connection.execute_wrapper(statements):
        ask()
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - before)
    return Measured(name, median(taken) * 1000, len(statements.run))


def _page(client: Any, address: str) -> Callable[[], Any]:
    def ask() -> None:
        response = client.get(address)
        if response.status_code != 200:
            raise RuntimeError(f"{address} gives {response.status_code}: {response.content[:500]!r}")

    return ask


def _admin_addresses() -> Iterator[tuple[str, str]]:
    """Yield the list of each kind of record, its search, and the page of the newest record."""
    from django.contrib import admin
    from django.test import RequestFactory
    from django.urls import reverse

    from models_registry.accounts.models import User
    from models_registry.registry.models import RegisteredModel
    from tests.admin_pages import list_url, page_url

    request = RequestFactory().get("/")
    request.user = User.objects.get(username="root")
    for name, query in START.items():
        yield f"admin: {name}", f"/admin/{query}"
    model = RegisteredModel.objects.get(name="model 1")
    yield "admin: overview of a model", reverse("admin:models_registry_registeredmodel_overview", args=[model.pk])
    for kind, page in admin.site._registry.items():
        yield f"admin: {kind._meta.verbose_name_plural}", list_url(kind)
        if page.search_fields:
            yield f"admin: {kind._meta.verbose_name_plural}, search", f"{list_url(kind)}?q=model+4711"
        newest = page.get_queryset(request).order_by("-pk").first()
        if newest is not None:
            yield f"admin: a page of {kind._meta.verbose_name_plural}", page_url(newest)


def _lists_of(user: Any) -> Iterator[tuple[str, str]]:
    """Yield the start page, and each list that a member or holder of grants may see, with its search."""
    from django.contrib import admin
    from django.test import RequestFactory

    from tests.admin_pages import list_url

    request = RequestFactory().get("/")
    request.user = user
    yield "admin: start", "/admin/"
    for kind, page in admin.site._registry.items():
        if page.has_view_permission(request):
            yield f"admin: {kind._meta.verbose_name_plural}", list_url(kind)
            yield f"admin: {kind._meta.verbose_name_plural}, search", f"{list_url(kind)}?q=model+4711"


def main() -> int:
    """Print what each page costs, the slowest first; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--organizations", type=int, default=100)
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--limit", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["THROTTLE_RATE"] = "1000000/minute"
    root = audit.start()
    audit.index(Console(quiet=True))
    fill(
        organizations=options.organizations,
        models=options.models,
        snapshots=options.snapshots,
        entries=options.entries,
    )
    measured = [measure(name, ask, options.rounds) for name, ask in pages(root)]
    table = Table("page", "ms", "statements")
    for each in sorted(measured, key=lambda each: -each.milliseconds):
        table.add_row(each.name, f"{each.milliseconds:,.1f}", str(each.statements))
    Console(highlight=False, width=120).print(table)
    slow = [each.name for each in measured if each.milliseconds > options.limit * 1000]
    print(f"Pages slower than {options.limit} s, of {options.snapshots:,} snapshots: {len(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
