"""The page of a model in the admin, and promoting, rolling back and archiving by hand."""

import re
from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import ModelGrant, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import SnapshotDetail
from tests.admin_pages import logged_in, text_of
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot

RULES = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.93}]}


@pytest.fixture
def worse(model: RegisteredModel) -> Version:
    """Return a completed version that its model's gate refuses."""
    version = completed_version(model, number=418)
    stored = snapshot(version, metrics={**EXAMPLE_METRICS, "accuracy": 0.9}, source="computed")
    interval = {"lower": 0.88, "upper": 0.92, "level": 0.95, "method": "wilson"}
    SnapshotDetail.objects.create(snapshot=stored, confidence_intervals={"accuracy": interval})
    GatePolicy.objects.create(model=model, version=1, document=RULES)
    return version


def page_of(model: RegisteredModel, *parts: str) -> str:
    """Return the address of the page of a model, or of one of its actions."""
    return f"/admin/models_registry/registeredmodel/{model.pk}/{'/'.join(parts or ('overview',))}/"


def section(page: str, name: str) -> str:
    """Return a section of the page of a model."""
    return page.split(f'<section id="{name}"', 1)[1].split(">", 1)[1].split("</section>", 1)[0]


def rows(html: str) -> list[str]:
    return [text_of(row) for row in re.findall(r"<tr>.*?</tr>", html, flags=re.DOTALL)]


def enter(user: User) -> Client:
    """Log a member in, as staff without further permissions."""
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return logged_in(User.objects.get(pk=user.pk))


def test_a_page_shows_production_trends_versions_promotions_and_policy(
    root: Client, model: RegisteredModel, worse: Version, superuser: User
) -> None:
    promote(version=worse, promoted_by=superuser, reason="it is faster", override=True)
    Version.objects.create(model=model, number=419)
    snapshot(model.versions.get(number=417), metrics={"accuracy": 0.7}, dataset_split="validation", dataset="october")

    page = root.get(page_of(model)).content.decode()

    production = section(page, "production")
    assert text_of(production).startswith("In production ver-001a2, evaluated on test at 2026-03-13 14:22.")
    assert "Newest verdict of the gate: failed ver-001a2" in text_of(production)
    assert rows(production)[1] == "Accuracy 0.900 (0.880 to 0.920) regressed since ver-001a1"
    chart = text_of(page.split('aria-labelledby="trend-accuracy"', 1)[1].split("</figure>", 1)[0])
    assert "Accuracy of 2 versions, from 0.900 to 0.934; higher is better. The best is ver-001a1 with 0.934." in chart
    assert "ver-001a1: Accuracy 0.934, promoted before" in chart
    assert "ver-001a1 0.934, promoted before ver-001a2 0.900 (0.880 to 0.920), promoted Download CSV" in chart
    lone = root.get(page_of(model), {"on": "validation:october"}).content.decode()
    figure = lone.split('aria-labelledby="trend-accuracy"', 1)[1].split("</figure>", 1)[0]
    axis = figure.split('<g aria-hidden="true">', 1)[1].split("</g>", 1)[0]
    assert text_of(axis) == "0.700 ver-001a1"  # each once, though the first is the last
    assert "Accuracy of ver-001a1: 0.700; higher is better." in text_of(lone)
    versions = rows(section(page, "versions"))
    assert [row.split()[0] for row in versions[1:]] == ["ver-001a3", "ver-001a2", "ver-001a1"]
    assert versions[2].startswith("ver-001a2 promoted completed")
    assert "0.900 (0.880 to 0.920) 0.918 0.924" in versions[2]
    chosen = dict(re.findall(r'name="(\w+)" value="([\w-]+)"[^>]* checked', section(page, "versions")))
    assert chosen == {"version_id": "ver-001a1", "baseline_version_id": "ver-001a2"}  # ver-001a3 is in training
    promoted = rows(section(page, "promotions"))
    assert re.fullmatch(r"\S+ \S+ ver-001a2 ver-001a1 root it is faster failed overridden", promoted[1])
    assert len(promoted) == 3
    policy = text_of(section(page, "policy"))
    assert "Revision 1 of the model's policy, on the split test." in policy
    assert "accuracy >= 0.93" in policy
    assert f"{page_of(model).removesuffix('overview/')}compare/" in page

    assert "0.700" in root.get(page_of(model), {"on": "validation:october"}).content.decode()
    for query in ({"on": "test:secret"}, {"o": "secret"}):
        assert root.get(page_of(model), query).content.decode().count("0.900 (0.880 to 0.920)") > 1
    by_accuracy = rows(section(root.get(page_of(model), {"o": "accuracy"}).content.decode(), "versions"))
    assert [row.split()[0] for row in by_accuracy[1:]] == ["ver-001a2", "ver-001a1", "ver-001a3"]
    assert page_of(model) in root.get(page_of(model, "change")).content.decode()

    RegisteredModel.objects.update(task_type="astrology")
    assert "There is no task type" in root.get(page_of(model)).content.decode()
    assert root.get(page_of(model, "promote", "ver-001a2")).status_code == 404


def test_whoever_reads_a_model_opens_the_verdict_on_a_version(
    model: RegisteredModel, worse: Version, viewer: User, admin: User, outsider: User
) -> None:
    address = page_of(model, "gate", "ver-001a2")
    page = enter(viewer).get(address).content.decode()
    shown = text_of(page)
    assert "Gate of ver-001a2 of churn" in shown
    assert "failed ver-001a2, compared with ver-001a1" in shown
    assert "accuracy failed >= 0.93 0.9" in shown
    assert not GateVerdict.objects.exists(), "looking stores nothing"
    assert page_of(model) in page
    assert page_of(model, "promote", "ver-001a2") not in page
    assert address in enter(viewer).get(page_of(model)).content.decode()
    assert page_of(model, "promote", "ver-001a2") in enter(admin).get(address).content.decode()
    for client, version, status in (
        (enter(outsider), "ver-001a2", 404),
        (enter(viewer), "ver-00001", 404),
        (enter(viewer), "ver-x", 404),
        (Client(), "ver-001a2", 302),
    ):
        assert client.get(page_of(model, "gate", version)).status_code == status


def test_a_refused_promotion_shows_the_failing_rules_and_an_override_needs_a_reason(
    root: Client, admin: User, model: RegisteredModel, worse: Version
) -> None:
    client, address = enter(admin), page_of(model, "promote", "ver-001a2")
    assert f'href="{address}"' in client.get(page_of(model)).content.decode()
    shown = text_of(client.get(address).content.decode())
    assert "Promote ver-001a2 of churn" in shown
    assert "accuracy failed >= 0.93 0.9" in shown
    assert not GateVerdict.objects.exists(), "looking stores nothing"

    refused = client.post(address, {"reason": "please"})
    assert refused.status_code == 409
    assert "The gate refuses the version." in (text := text_of(refused.content.decode()))
    assert "accuracy failed >= 0.93 0.9" in text
    assert GateVerdict.objects.get().requested_by == "ada"
    assert "To override a gate, say why." in client.post(address, {"override": "on"}).content.decode()
    assert "Must have at least one visible" in client.post(address, {"reason": "\u200b"}).content.decode()
    assert Promotion.objects.count() == 1

    done = client.post(address, {"override": "on", "reason": "it is faster"}, follow=True)
    assert done.redirect_chain == [(page_of(model), 302)]
    assert "ver-001a2 is promoted, against its gate." in text_of(done.content.decode())
    newest = Promotion.objects.order_by("-pk")[0]
    assert (newest.version, newest.promoted_by, newest.reason, newest.overridden) == (
        worse,
        admin,
        "it is faster",
        True,
    )
    entry = AuditEntry.objects.filter(content_type__model="promotion").order_by("-pk")[0]
    assert entry.actor == admin


def test_a_model_is_rolled_back_and_archived(admin: User, model: RegisteredModel, worse: Version) -> None:
    client = enter(admin)
    assert page_of(model, "roll-back") not in client.get(page_of(model)).content.decode()
    assert client.get(page_of(model, "roll-back")).status_code == 404
    promote(version=worse, promoted_by=None, reason="", override=True)

    page = text_of(client.get(page_of(model, "roll-back")).content.decode())
    assert "Roll churn back to ver-001a1" in page
    assert "Verdict of the gate" not in page, "nothing delays going back"
    done = client.post(page_of(model, "roll-back"), {"reason": "it is slow"}, follow=True)
    assert "ver-001a1 is promoted." in text_of(done.content.decode())
    assert Promotion.objects.order_by("-pk")[0].kind == "rollback"

    assert "This cannot be undone." in client.get(page_of(model, "archive")).content.decode()
    assert "churn is archived." in client.post(page_of(model, "archive"), follow=True).content.decode()
    model.refresh_from_db()
    assert model.archived_at is not None
    page = client.get(page_of(model)).content.decode()
    assert "/promote/" not in page
    assert "/archive/" not in page
    late = client.post(page_of(model, "promote", "ver-001a2"), {"reason": "late"})
    assert late.status_code == 409
    assert "is archived: it can be read, and takes no writes" in late.content.decode()


def test_only_those_with_the_scope_promote_override_and_archive(
    model: RegisteredModel, worse: Version, viewer: User, editor: User, outsider: User
) -> None:
    promote_page, archive_page = page_of(model, "promote", "ver-001a2"), page_of(model, "archive")
    for user in (viewer, editor):
        client = enter(user)
        page = client.get(page_of(model))
        assert page.status_code == 200
        assert "/promote/" not in page.content.decode()
        for address in (promote_page, page_of(model, "roll-back"), archive_page):
            assert client.get(address).status_code == client.post(address).status_code == 403
        assert "You need the scope model:promote here: ask an admin" in client.get(promote_page).content.decode()
    foreign = enter(outsider)
    hidden = foreign.get(page_of(model))
    assert hidden.status_code == 404
    assert "There is no such page, or you have no right to see what it shows." in hidden.content.decode()
    for address in (promote_page, page_of(model, "roll-back"), archive_page):
        assert foreign.get(address).status_code == foreign.post(address).status_code == 404

    promoter = new_user("petra")
    ModelGrant.objects.create(model=model, user=promoter, scope="model:read")
    ModelGrant.objects.create(model=model, user=promoter, scope="model:promote")
    client = enter(promoter)
    shown = client.get(promote_page).content.decode()
    assert 'name="override"' not in shown
    assert "An admin of the organization may override the gate." in shown
    assert client.post(promote_page, {"override": "on", "reason": "mine"}).status_code == 409
    assert client.post(archive_page).status_code == 403
    for number in ("ver-001a3", "ver-1", "secret"):
        assert client.get(page_of(model, "promote", number)).status_code == 404
    assert client.post(promote_page, {"reason": "x" * 2001}).status_code == 200
    model.refresh_from_db()
    assert (model.promoted_version_id, model.archived_at) != (worse.pk, None)
    assert Promotion.objects.count() == 1
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(promoter, backend="models_registry.tokens.backends.PeopleBackend")
    assert strict.post(promote_page, {"reason": ""}).status_code == 403


def test_a_page_takes_the_same_number_of_queries_for_any_number_of_versions(
    root: Client, model: RegisteredModel, worse: Version, pinned_queries: Any
) -> None:
    root.get(page_of(model))
    with pinned_queries("page of a model"):
        root.get(page_of(model))
    for number in range(419, 475):
        snapshot(completed_version(model, number=number), metrics=EXAMPLE_METRICS)
    with pinned_queries("page of a model"):
        page = root.get(page_of(model)).content.decode()
    assert len(rows(section(page, "versions"))) == 51
    assert 'rel="next" href="?page=2"' in page
    assert "Accuracy of 30 versions" in page
    second = root.get(page_of(model), {"page": "2"}).content.decode()
    assert len(rows(section(second, "versions"))) == 9
