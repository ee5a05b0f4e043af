"""A document with an error is refused whole, with the path and the reason of each error."""

import copy
from typing import Any

import pytest
from django.core.management import CommandError

from tests.performance.seeds.documents import DOCUMENT, MOMENT, Seed, changed, stored


@pytest.mark.parametrize(
    ("path", "value", "where", "reason"),
    [
        ("extra", 1, "extra", "Unknown field"),
        ("users.0.role", "admin", "users.0.role", "Unknown field"),
        ("users.1.username", "vera", "users", "vera comes twice"),
        ("users.0.username", 12345, "users.0.username", "Not a valid string"),
        ("users.0.password", 12345678, "users.0.password", "Not a valid string"),
        ("users.0.superuser", "yes", "users.0.superuser", "Must be a valid boolean"),
        ("users.0.superuser", 1, "users.0.superuser", "Must be a valid boolean"),
        ("users.0.username", "\ufdfa" * 10, "users.0.username", "no more than 150 characters"),
        ("users.0.username", "no spaces", "users.0.username", "valid username"),
        ("users.0.username", 5, "users.0.username", "Not a valid string"),
        ("users.0.superuser", "yes", "users.0.superuser", "valid boolean"),
        ("organizations.0.slug", "not a slug", "organizations.0.slug", "slug"),
        ("organizations.0.slug", 5, "organizations.0.slug", "Not a valid string"),
        ("organizations.0.name", 5, "organizations.0.name", "Not a valid string"),
        ("organizations.0.members", {"\ufb01n": "viewer", "fin": "admin"}, ".members", "fin comes twice"),
        ("organizations.0.members.vera", "owner", "organizations.0.members.vera", "one of viewer, editor, admin"),
        ("organizations.0.members.nobody", "viewer", "organizations.acme.members", "there is no user nobody"),
        ("models.0.model_id", "churn", "models.0.model_id", "does not match"),
        ("models.0.organization", "nowhere", "models.0.organization", "no organization nowhere"),
        ("models.0.organization", 5, "models.0.organization", "Not a valid string"),
        ("models.0.name", 5, "models.0.name", "Not a valid string"),
        ("models.0.description", 5, "models.0.description", "Not a valid string"),
        ("models.0.archived", "true", "models.0.archived", "Must be a valid boolean"),
        ("models.0.task_type", "clasification", "models.0.task_type", "There is no task type 'clasification'"),
        ("models.0.state", "ready", "models.0.state", "Unknown field"),
        ("models.0.promoted", "ver-001a2", "models.0.promoted", "that is completed"),
        ("models.0.promoted", "ver-00009", "models.0.promoted", "that is completed"),
        ("models.0.grants.gil", ["organization:admin"], "models.0.grants.gil.0", "one of model:read, "),
        ("models.0.grants", {"\ufb01n": [], "fin": []}, "models.0.grants", "fin comes twice"),
        ("models.0.grants.nobody", ["model:read"], "models.0.grants", "there is no user nobody"),
        ("models.0.versions.0.version_id", "ver-00000", "models.0.versions.0.version_id", "Not a version's id"),
        ("models.0.versions.1.version_id", "ver-001a1", "models.0", "ver-001a1 comes twice"),
        ("models.0.versions.0.state", "done", "models.0.versions.0.state", "one of training, completed, failed"),
        ("models.0.versions.0.completed_at", None, "models.0.versions.0.completed_at", "needs it"),
        ("models.0.versions.1.completed_at", MOMENT, "models.0.versions.1.completed_at", "has none"),
        ("models.0.versions.0.created_at", "yesterday", "models.0.versions.0.created_at", "wrong format"),
        ("models.0.versions.0.snapshots.0.dataset_split", "Test", ".snapshots.0.dataset_split", "one of train, v"),
        ("models.0.versions.0.snapshots.0.evaluated_at", "2026-03-13T14:22:10", ".evaluated_at", "wrong format"),
        ("models.0.versions.0.snapshots.0.evaluated_at", "0999-03-13T14:22:10Z", ".evaluated_at", "in 1970 or later"),
        ("models.0.versions.0.snapshots.0.evaluated_at", "1969-12-31T23:59:59Z", ".evaluated_at", "in 1970 or later"),
        ("models.0.versions.0.snapshots.0.sample_count", "5.0", ".sample_count", "valid integer"),
        ("models.0.versions.0.snapshots.0.sample_count", 5.0, ".sample_count", "valid integer"),
        ("models.0.versions.0.snapshots.0.sample_count", True, ".sample_count", "valid integer"),
        ("models.0.versions.0.snapshots.0.sample_count", 0, ".sample_count", "greater than or equal to 1"),
        ("models.0.versions.0.snapshots.0.metrics", {}, ".snapshots.0.metrics", "At least one metric"),
        ("models.0.versions.0.snapshots.0.metrics", {"accuracy": None}, ".snapshots.0.metrics", "At least one metric"),
        ("models.0.versions.0.snapshots.0.evaluated_at", "9999-12-31T23:59:59Z", ".evaluated_at", "in the future"),
        ("models.0.versions.0.snapshots.0.metrics.accuracy", 1.5, ".metrics.accuracy", "at most 1, not 1.5"),
        ("models.0.versions.0.snapshots.0.metrics.accuracy", True, ".metrics.accuracy", "Must be a number"),
        ("models.0.versions.0.snapshots.0.metrics.accuracy", "0.9", ".metrics.accuracy", "Must be a number"),
        ("models.0.versions.0.snapshots.0.metrics.rmse", 0.9, ".metrics.rmse", "Not a metric of classification"),
    ],
)
def test_an_error_refuses_the_document_whole_and_names_file_path_and_reason(
    seed: Seed, path: str, value: Any, where: str, reason: str
) -> None:
    with pytest.raises(CommandError) as refused:
        seed(changed(path, value))

    assert f"{where}: " in str(refused.value)
    assert "seed.json: " in str(refused.value)
    assert reason in str(refused.value)
    assert refused.value.returncode == 1
    assert not any(stored().values())


def test_the_errors_of_all_models_are_named(seed: Seed) -> None:
    document = changed("models.0.name", 5)
    document["models"] += [copy.deepcopy(DOCUMENT["models"][0]) | {"task_type": "x"}, {}]

    with pytest.raises(CommandError) as refused:
        seed(document)

    for where in ("models.0.name: ", "models.1.task_type: ", "models.2.model_id: "):
        assert where in str(refused.value)
    assert not any(stored().values())


def test_a_user_who_comes_twice_in_two_forms_is_refused(seed: Seed) -> None:
    with pytest.raises(CommandError, match="users: fin comes twice"):
        seed({"users": [{"username": "\ufb01n"}, {"username": "fin"}]})


def test_a_model_that_comes_twice_is_refused(seed: Seed) -> None:
    again = copy.deepcopy(DOCUMENT["models"][0])

    with pytest.raises(CommandError, match="models: mdl-7f3a19bc92 comes twice"):
        seed({**DOCUMENT, "models": [*DOCUMENT["models"], {**again, "name": "another"}]})
    with pytest.raises(CommandError, match="models: acme churn comes twice"):
        seed({**DOCUMENT, "models": [*DOCUMENT["models"], {**again, "model_id": "mdl-0000000001"}]})
    assert not any(stored().values())
