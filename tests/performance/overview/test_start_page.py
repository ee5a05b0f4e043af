"""The admin's start page: what needs attention, and the models with how well they do."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import Membership, Organization, User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GateVerdict
from performance.jobs.models import Worker
from performance.snapshots.models import SnapshotDetail
from tests.admin_pages import logged_in, page_url, text_of
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot

INTERVAL = {"level": 0.95, "method": "wilson"}


def table(client: Client, **query: str) -> list[str]:
    """Return the text of each row of the models on the start page."""
    response = client.get("/admin/", query)
    assert response.status_code == 200
    return rows_of(response.content.decode())


def rows_of(page: str) -> list[str]:
    body = page.split('<table id="models"', 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    return [text_of(row) for row in re.findall(r"<tr>.*?</tr>", body, flags=re.DOTALL)]


def attention(client: Client) -> str:
    """Return the text of what needs attention."""
    page = client.get("/admin/").content.decode()
    return text_of(page.split('aria-labelledby="attention-heading"', 1)[1].split("</section>", 1)[0])


def evaluated(version: Version, accuracy: float, margin: float) -> None:
    """Store a snapshot with an interval of the accuracy."""
    ends = {"lower": accuracy - margin, "upper": accuracy + margin}
    stored = snapshot(version, metrics={**EXAMPLE_METRICS, "accuracy": accuracy}, source="computed")
    SnapshotDetail.objects.create(snapshot=stored, confidence_intervals={"accuracy": ends | INTERVAL})


@pytest.mark.parametrize(
    ("accuracy", "margin", "change"),
    [(0.95, 0.01, "improved"), (0.8, 0.01, "regressed"), (0.91, 0.05, "inconclusive"), (0.9, 0.01, "unchanged")],
)
def test_a_row_says_how_the_promoted_version_does_and_how_that_changed(
    root: Client, empty_model: RegisteredModel, accuracy: float, margin: float, change: str
) -> None:
    RegisteredModel.objects.update(task_type="classification")
    empty_model.refresh_from_db()
    for number, value in ((1, 0.9), (2, accuracy)):
        version = completed_version(empty_model, number=number)
        evaluated(version, value, margin)
        version.model = empty_model
        promote(version=version, promoted_by=None, reason="")
    GateVerdict.objects.create(model=empty_model, version=version, status="passed", occasion="promotion", document={})

    page = root.get("/admin/").content.decode()
    [row] = rows_of(page)

    ends = f"({accuracy - margin:.3f} to {accuracy + margin:.3f})"
    assert row.startswith(
        f"prices Acme Classification ver-00002 Accuracy {accuracy:.3f} {ends} {change} since ver-00001"
    )
    assert row.endswith("passed ver-00002 2026-03-13 14:22")
    assert f"Accuracy of 2 versions: 0.900 for ver-00001, {accuracy:.3f} for ver-00002" in row
    assert f'href="/admin/models_registry/registeredmodel/{empty_model.pk}/overview/"' in page


def test_models_are_searched_filtered_sorted_and_paged(
    root: Client, model: RegisteredModel, empty_model: RegisteredModel, outsider: User
) -> None:
    globex = Organization.objects.get(slug="globex")
    RegisteredModel.objects.create(organization=globex, name="a ranking", task_type="ranking")
    RegisteredModel.objects.filter(pk=empty_model.pk).update(task_type="astrology")
    names = {
        "a ranking": "a ranking draft Globex",
        "churn": "churn Acme",
        "prices": "prices draft Acme There is no task",
    }

    def found(**query: str) -> list[str]:
        return [name for row in table(root, **query) for name, start in names.items() if row.startswith(start)]

    assert found() == ["a ranking", "churn", "prices"]
    assert found(o="-name") == ["prices", "churn", "a ranking"]
    assert found(o="evaluated")[0] == found(o="-evaluated")[0] == "churn"
    assert found(o="organization")[-1] == "a ranking"
    assert (
        found(q="CHUR") == found(q=model.pk) == found(state="ready") == found(organization="acme", q="ch") == ["churn"]
    )
    assert found(task_type="ranking") == found(organization="globex") == ["a ranking"]
    assert found(attention="gate") == found(page="2") == []
    assert found(split="train", q="churn") == ["churn"]
    assert "not evaluated" in table(root, split="train", q="churn")[0]
    for wrong in ({"o": "secret"}, {"state": "gone"}, {"q": "x" * 201}, {"page": "0"}, {"split": "all"}):
        assert len(found(**wrong)) == 3
    assert "Select a valid choice" in root.get("/admin/", {"state": "gone"}).content.decode()

    RegisteredModel.objects.bulk_create(
        RegisteredModel(organization=globex, name=f"bulk {number:02}", task_type="ranking") for number in range(60)
    )
    first, second = table(root), table(root, page="2")
    assert (len(first), len(second)) == (50, 13)
    assert 'rel="next" href="?page=2"' in root.get("/admin/").content.decode()
    assert 'rel="prev" href="?q=bulk&amp;page=1"' in root.get("/admin/", {"q": "bulk", "page": "2"}).content.decode()
    assert len(table(root, page="999999999")) == 1, "beyond the last page there is no model"


def test_what_needs_attention_links_to_where_one_can_act(root: Client, model: RegisteredModel) -> None:
    page = root.get("/admin/").content.decode()
    assert "Needs attention</h2>" not in page

    waiting = completed_version(model, number=418)
    GateVerdict.objects.create(model=model, version=waiting, status="failed", occasion="enforcement", document={})
    now = timezone.now()
    failed = EvaluationJob.objects.create(
        version=waiting, dataset_split="test", state="failed", due_at=None, finished_at=now
    )
    stuck = EvaluationJob.objects.create(
        version=waiting, dataset_split="train", due_at=now, organization=model.organization
    )
    page = root.get("/admin/").content.decode()
    text = attention(root)
    assert "The gate failed at its last verdict churn ver-001a2" in text
    assert "Newer than the promoted version, and not promoted yet churn ver-001a2" in text
    assert "Evaluations failed in the last seven days churn ver-001a2 on test" in text
    assert "no worker is alive: start one with manage.py worker churn ver-001a2 on train" in text
    assert page_url(failed) in page
    assert page_url(stuck) in page
    for kind in ("gate", "promotion"):
        assert len(table(root, attention=kind)) == 1
        assert table(root, attention=kind)[0].startswith("churn")

    Worker.objects.create(host="here", pid=1, seen_at=now)
    EvaluationJob.objects.create(version=waiting, dataset_split="test")
    promote(version=waiting, promoted_by=None, reason="")
    GateVerdict.objects.create(model=model, version=waiting, status="passed", occasion="promotion", document={})
    assert "Needs attention</h2>" not in root.get("/admin/").content.decode(), "a worker lives, and the rest is done"


def test_people_see_the_models_that_they_may_read(
    model: RegisteredModel, empty_model: RegisteredModel, outsider: User, acme: Organization, viewer: User
) -> None:
    globex = Organization.objects.get(slug="globex")
    theirs = RegisteredModel.objects.create(organization=globex, name="theirs", task_type="ranking")
    completed_version(theirs, number=1)
    for user in (viewer, outsider):
        User.objects.filter(pk=user.pk).update(is_staff=True)
    assert [row.split()[0] for row in table(logged_in(viewer))] == ["churn", "prices"]
    assert [row.split()[0] for row in table(logged_in(outsider))] == ["theirs"]
    page = logged_in(viewer).get("/admin/").content.decode()
    assert "theirs" not in page
    assert "Globex" not in page

    newcomer = new_user("nina", is_staff=True)
    empty = Organization.objects.create(slug="empty", name="Empty")
    Membership.objects.create(organization=empty, user=newcomer, role="viewer")
    page = logged_in(newcomer).get("/admin/").content.decode()
    assert '<table id="models"' not in page
    assert "There is no model here yet that you may read." in page
    assert "POST /api/v1/models" in page
    Membership.objects.create(organization=globex, user=newcomer, role="viewer")
    assert [row.split()[0] for row in table(logged_in(newcomer))] == ["theirs"]
    newcomer.user_permissions.add(Permission.objects.get(codename="view_registeredmodel"))
    assert len(table(logged_in(newcomer))) == 3


def test_the_start_page_takes_the_same_number_of_queries_for_any_number_of_models(
    root: Client, model: RegisteredModel, pinned_queries: Any
) -> None:
    root.get("/admin/")
    with pinned_queries("start page"):
        root.get("/admin/")
    for number in range(3):
        other = RegisteredModel.objects.create(
            organization=model.organization, name=f"model {number}", task_type="classification"
        )
        for at in (1, 2):
            snapshot(completed_version(other, number=at), metrics=EXAMPLE_METRICS)
            promote(version=other.versions.get(number=at), promoted_by=None, reason="")
    with pinned_queries("start page"):
        assert len(table(root)) == 4
