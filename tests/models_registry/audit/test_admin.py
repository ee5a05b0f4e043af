"""The audit trail in the admin: its search finds the right entries, and no page reads more rows than it shows."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from models_registry.accounts.models import User
from models_registry.api import model_admin
from models_registry.audit import selectors
from models_registry.audit.models import AuditEntry
from tests.benchmarks.audit import LIST, PAGES, fill, statements_of

pytestmark = pytest.mark.django_db

ENTRIES = 20_000
READ = 1_200  # rows, of pages that show 100 and lists and searches that end after 200


@pytest.fixture
def client(superuser: User) -> Client:
    client = Client()
    client.force_login(superuser)
    return client


def entry(**fields: Any) -> int:
    """Return the key of an entry with exactly these fields."""
    return int(AuditEntry.objects.bulk_create([AuditEntry(**{"action": 0, **fields})])[0].pk)


def found(client: Client, text: str, **filters: str) -> set[int]:
    """Return the primary keys of the entries that a search finds."""
    context = client.get(LIST, {"q": text, **filters}).context
    return {each.pk for each in context["cl"].result_list}


def test_the_search_finds_users_records_and_requests_by_whole_values(client: Client) -> None:
    fields = {"actor_name": "grace", "object_repr": "churn of May", "object_pk": "mdl-00000000ff", "cid": "release-42"}
    wanted = entry(**fields)
    entry(actor_name="grace h", object_repr="churn", object_pk="mdl-00000000f", cid="release-4")

    for text in fields.values():
        assert found(client, f" {text} ") == {wanted}, text
    assert found(client, "GRACE") == set()


def test_the_search_finds_paths_by_their_beginning(client: Client) -> None:
    paths = ("/api/v1/models/a", "/api/v1/models/a/versions", "/api/v1/models/A%_", "/api/v1/users")
    one, below, other, _ = (entry(path=path) for path in paths)

    assert found(client, "/api/v1/models/a/") >= {below}
    assert one in found(client, "/api/v1/models/a")
    assert found(client, "/api/v1/models/A%") == {other}


def test_a_too_common_path_prefix_only_finds_the_exact_path(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "MAX_PREFIXED", 1)
    exact = entry(path="/api/v1/models")
    entry(path="/api/v1/models/a")

    assert found(client, "/api/v1/models") == {exact}
    page = client.get(LIST, {"q": "/api/v1/models"}).content.decode()
    assert "Too many paths begin with this text" in page


def test_a_search_respects_the_filters(client: Client) -> None:
    entry(actor_name="grace")
    denied = entry(actor_name="grace", action=AuditEntry.DENIED, code="permission_denied")
    entry(actor_name="grace", action=AuditEntry.DENIED, code="locked_out")

    assert found(client, "grace", code="permission_denied", action__exact=str(AuditEntry.DENIED)) == {denied}


def test_the_list_can_be_filtered_by_time(client: Client) -> None:
    _, within, _ = (entry(timestamp=datetime(2025, 3, day, tzinfo=UTC)) for day in (1, 2, 3))
    march = {"timestamp_from_0": "2025-03-01", "timestamp_from_1": "12:00"}
    march |= {"timestamp_to_0": "2025-03-02", "timestamp_to_1": "12:00"}

    assert [each.pk for each in client.get(LIST, march).context["cl"].result_list] == [within]
    nonsense = client.get(LIST, {"timestamp_from_0": "2025-02-31", "timestamp_from_1": "x"}, follow=True)
    assert nonsense.status_code == 200


def test_a_search_finds_the_newest(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "MAX_FOUND", 2)
    _, *newest = (entry(actor_name="grace") for _ in range(3))

    assert found(client, "grace") == set(newest)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plans")
def test_each_page_of_the_trail_reads_only_its_rows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((model_admin, "MAX_LISTED"), (selectors, "MAX_FOUND"), (selectors, "MAX_PREFIXED")):
        monkeypatch.setattr(module, name, 200)
    fill(ENTRIES)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE models_registry_auditentry, django_content_type")  # all that the pages join
    # Two conditions read the index entries of both: the benchmark shows that this is fast enough.
    pages = {name: page for name, page in PAGES.items() if name != "last page" and "deletions" not in name}
    pages |= {"deletions": PAGES["deletions"]}

    read = {
        name: max(rows_read(sql, params) for _, sql, params in statements_of(client, page).run if "auditentry" in sql)
        for name, page in pages.items()
    }

    assert {name: rows for name, rows in read.items() if rows > READ} == {}


def rows_read(sql: str, params: Any) -> int:
    """Return how many rows of the trail a statement reads."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        answer = cursor.fetchone()[0]
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan)
        if "auditentry" in node.get("Relation Name", "") or "audit_by" in node.get("Index Name", "")
    )


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]
