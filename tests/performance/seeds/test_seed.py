"""`manage.py seed FILE… [--dry-run]`: what a document stores, and what it changes when it is loaded again."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from statsmodels.stats.proportion import proportion_confint

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.registry.models import Promotion, RegisteredModel
from performance.snapshots.models import Dataset, MetricSnapshot
from tests.demo_data import write_seed
from tests.factories import EVALUATED_AT
from tests.performance.seeds.documents import DOCUMENT, MOMENT, Seed, changed, stored


def test_a_document_stores_users_organizations_models_versions_and_snapshots(seed: Seed) -> None:
    seed(DOCUMENT)

    model = RegisteredModel.objects.get()
    assert (model.pk, model.organization.slug, model.name) == ("mdl-7f3a19bc92", "acme", "churn")
    assert model.promoted_version is not None
    assert model.promoted_version.version_id == "ver-001a1"
    snapshot = MetricSnapshot.objects.get()
    assert (snapshot.metrics, snapshot.sample_count) == ({"accuracy": 0.9341}, 5000)
    assert snapshot.evaluated_at == EVALUATED_AT
    assert User.objects.get(username="vera").check_password("correct horse battery staple")
    assert not User.objects.get(username="gil").has_usable_password()
    assert Membership.objects.get().role == "viewer"
    assert ModelGrant.objects.get().scope == "model:read"


def test_a_snapshot_that_names_a_dataset_declares_it_and_others_do_not(seed: Seed) -> None:
    seed(DOCUMENT)
    assert not Dataset.objects.exists()
    snapshot = {**DOCUMENT["models"][0]["versions"][0]["snapshots"][0], "dataset": "churn-2026-10"}

    for _ in range(2):
        seed(changed("models.0.versions.0.snapshots", [snapshot]))

    assert sorted(MetricSnapshot.objects.values_list("dataset", flat=True)) == ["", "churn-2026-10"]
    assert Dataset.objects.get().name == "churn-2026-10"


def test_a_share_of_a_known_number_of_examples_has_its_interval_and_other_metrics_a_reason(seed: Seed) -> None:
    seed(changed("models.0.versions.0.snapshots.0.metrics", {"accuracy": 0.9341, "roc_auc": 0.9678}))

    snapshot = MetricSnapshot.objects.get()
    found = snapshot.details.confidence_intervals
    expected = proportion_confint(0.9341 * 5000, 5000, method="wilson")
    assert [*found] == ["accuracy"]
    assert (found["accuracy"]["lower"], found["accuracy"]["upper"]) == pytest.approx(expected)
    assert [*snapshot.details.intervals_unavailable] == ["roc_auc"]
    assert (snapshot.source, snapshot.details.engine) == ("imported", None)


def test_metrics_that_contradict_each_other_are_refused_as_they_are_over_http(seed: Seed) -> None:
    document = changed("models.0.versions.0.snapshots.0.metrics", {"rmse": 1, "mae": 2})
    document["models"][0]["task_type"] = "regression"

    with pytest.raises(CommandError, match=r"seed\.json: models\.0\.versions\.0\.snapshots\.0\.metrics\.mae: "):
        seed(document)
    assert not MetricSnapshot.objects.exists()


def test_a_model_may_declare_its_positive_class(seed: Seed) -> None:
    seed(changed("models.0.positive_class", " yes "))

    assert RegisteredModel.objects.get().positive_class == "yes"


def test_user_names_are_one_in_all_their_forms(seed: Seed) -> None:
    document = changed("users.1", {"username": "\ufb01n"})
    document["organizations"][0]["members"]["\ufb01n"] = "viewer"
    document["models"][0]["grants"] = {"fin": ["model:read"]}
    seed(document)
    before = stored()

    seed(document)

    assert stored() == before
    assert Membership.objects.filter(user__username="fin", role="viewer").exists()
    assert ModelGrant.objects.get().user.username == "fin"


def test_a_snapshot_of_the_test_split_needs_a_completed_version(seed: Seed) -> None:
    snapshot = DOCUMENT["models"][0]["versions"][0]["snapshots"][0]

    with pytest.raises(CommandError, match="Only a completed version"):
        seed(changed("models.0.versions.1.snapshots", [snapshot]))
    seed(changed("models.0.versions.1.snapshots", [{**snapshot, "dataset_split": "train"}]))


def test_the_shipped_data_loads_and_loads_again(db: None, tmp_path: Path) -> None:
    """Only the test split is evaluated. Tests of each task type evaluate all of its predictions."""
    file = tmp_path / "seed.json"
    write_seed(file)
    call_command("seed", str(file), verbosity=0)
    before = stored()
    call_command("seed", str(file), verbosity=0)

    assert stored() == before
    assert RegisteredModel.objects.with_state().filter(state="draft").exists()
    assert RegisteredModel.objects.with_state().filter(state="training").count() >= 2


def test_loading_a_document_again_changes_nothing(seed: Seed) -> None:
    seed(DOCUMENT)
    before = stored()

    seed(DOCUMENT)

    assert stored() == before


def test_a_later_document_brings_up_to_date_what_may_change(seed: Seed) -> None:
    seed(DOCUMENT)
    later = changed("models.0.versions.1", {"version_id": "ver-001a2", "state": "completed", "completed_at": MOMENT})
    later["models"][0] |= {"promoted": "ver-001a2", "description": "who leaves", "archived": True}
    later["organizations"][0]["members"]["vera"] = "admin"

    seed(later)

    model = RegisteredModel.objects.get()
    assert model.promoted_version is not None
    assert (model.promoted_version.version_id, model.description) == ("ver-001a2", "who leaves")
    assert model.archived_at is not None
    assert Membership.objects.get().role == "admin"
    assert Promotion.objects.count() == 2


def test_new_metrics_of_the_same_split_are_another_snapshot(seed: Seed) -> None:
    seed(DOCUMENT)
    seed(changed("models.0.versions.0.snapshots.0.metrics", {"accuracy": 0.94}))

    assert [item.metrics["accuracy"] for item in MetricSnapshot.objects.order_by("pk")] == [0.9341, 0.94]


def test_a_model_that_was_archived_since_stays_archived(seed: Seed) -> None:
    seed(DOCUMENT)
    RegisteredModel.objects.update(archived_at=EVALUATED_AT)
    before = stored()

    seed(DOCUMENT)

    assert stored() == before


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("models.0.task_type", "ranking", "registered already"),
        ("models.0.organization", "globex", "registered already"),
        ("models.0.versions.0", {"version_id": "ver-001a1", "state": "failed"}, "is completed already"),
        ("models.0.model_id", "mdl-0000000001", "another model of the name churn"),
    ],
)
def test_a_document_that_contradicts_what_is_stored_is_refused_whole(
    seed: Seed, path: str, value: Any, reason: str
) -> None:
    Organization.objects.create(slug="globex", name="Globex")
    seed(changed("models.0.versions.0.snapshots", []))
    before = stored()
    document = changed(path, value)
    document["models"][0]["promoted"] = None
    for version in document["models"][0]["versions"]:
        version.pop("snapshots", None)
    document["users"].append({"username": "new"})

    with pytest.raises(CommandError, match=reason):
        seed(document)

    assert stored() == before


def test_a_service_account_becomes_no_superuser(seed: Seed) -> None:
    User.objects.create(username="vera", is_service_account=True)

    with pytest.raises(CommandError, match="vera is a service account"):
        seed(changed("users.0.superuser", True))


def test_a_dry_run_stores_nothing_but_finds_faults(seed: Seed) -> None:
    seed(DOCUMENT, "--dry-run")

    assert not any(stored().values())
    with pytest.raises(CommandError, match="no organization nowhere"):
        seed(changed("models.0.organization", "nowhere"), "--dry-run")
