"""`manage.py seed FILE… [--dry-run]`"""

import copy
import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.registry.models import Promotion, RegisteredModel
from models_registry.registry.promotions import CheckResult, register_promotion_check, unregister_promotion_check
from performance.gates.models import GatePolicy, GateVerdict
from performance.snapshots.models import Dataset, MetricSnapshot
from tests.demo_data import write_seed
from tests.factories import EVALUATED_AT, GivenResults
from tests.performance.seeds.documents import DOCUMENT, MOMENT, Seed, changed, stored


def test_loads_users_organizations_models_versions_and_snapshots(seed: Seed) -> None:
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


def with_gate(**changes: Any) -> Any:
    """Return the document with a policy, two promotions against it, and a version that it refuses."""
    document = changed("models.0.promoted", None)
    [model] = document["models"]
    snapshot = model["versions"][0]["snapshots"][0]
    weak = {**model["versions"][0], "snapshots": [{**snapshot, "metrics": {"accuracy": 0.8}}]}
    model["versions"] = [model["versions"][0], *({**weak, "version_id": each} for each in ("ver-001a2", "ver-001a3"))]
    model["gate_policy"] = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.9}]}
    model["promotions"] = [
        {"version_id": "ver-001a2", "reason": "nothing better is trained", "override": True},
        {"version_id": "ver-001a1", "reason": "better"},
    ]
    return document | {"models": [model | changes]}


def test_a_policy_judges_the_promotions_and_the_newest_version_once(seed: Seed) -> None:
    seed(with_gate())
    seed(with_gate())

    promotions = Promotion.objects.order_by("pk").values_list("reason", "overridden", "verdict__status")
    assert [*promotions] == [("nothing better is trained", True, "failed"), ("better", False, "passed")]
    assert GatePolicy.objects.count() == 1
    verdicts = GateVerdict.objects.order_by("pk").values_list("version__number", "occasion", "status")
    assert [*verdicts][1:] == [(0x1A1, "promotion", "passed"), (0x1A3, "enforcement", "failed")]

    other = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.7}]}
    seed(with_gate(gate_policy=other))
    assert GatePolicy.objects.count() == 2
    assert GateVerdict.objects.order_by("pk").values_list("status", flat=True).last() == "passed"


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"gate_policy": {"rules": []}}, "models.0.gate_policy.rules", "at least one rule"),
        ({"gate_policy": [1]}, "models.0.gate_policy", "Must be an object"),
        (
            {"gate_policy": {"rules": [{"metric": "rmse", "max_regression": 0.1}]}},
            "models.0.gate_policy.rules.0.metric",
            "rmse",
        ),
        (
            {
                "gate_policy": {
                    "against": "ver-00009",
                    "rules": [{"metric": "accuracy", "max_regression": 0.1}],
                }
            },
            "models.0.gate_policy.against",
            "There is no ver-00009",
        ),
        ({"promotions": [{"version_id": "ver-00009", "reason": "new"}]}, "models.0.promotions", "that is completed"),
        ({"promotions": [{"version_id": "ver-001a2", "override": True}]}, "promotions.0.reason", "say why"),
        ({"promotions": [{"version_id": "ver-001a2"}]}, "models.0.promotions.0", "at least 0.9 is required"),
    ],
)
def test_a_policy_or_promotion_that_is_refused_is_named(
    seed: Seed, changes: dict[str, object], where: str, reason: str
) -> None:
    with pytest.raises(CommandError) as refused:
        seed(with_gate(**changes))

    assert f"{where}: " in str(refused.value)
    assert reason in str(refused.value)
    assert not any(stored().values())


def test_a_model_may_declare_its_positive_class(seed: Seed) -> None:
    seed(changed("models.0.positive_class", " yes "))

    assert RegisteredModel.objects.get().positive_class == "yes"


def test_loading_it_again_changes_nothing(seed: Seed) -> None:
    seed(DOCUMENT)
    before = stored()

    seed(DOCUMENT)

    assert stored() == before


def test_yaml_loads_as_json_does(seed: Seed) -> None:
    seed(DOCUMENT, name="seed.yaml")
    before = stored()

    seed(DOCUMENT)

    assert stored() == before
    assert MetricSnapshot.objects.get().evaluated_at == EVALUATED_AT


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


def test_a_dry_run_stores_nothing_but_finds_faults(seed: Seed) -> None:
    seed(DOCUMENT, "--dry-run")

    assert not any(stored().values())
    with pytest.raises(CommandError, match="no organization nowhere"):
        seed(changed("models.0.organization", "nowhere"), "--dry-run")


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
def test_a_fault_refuses_the_document_whole_and_names_file_path_and_reason(
    seed: Seed, path: str, value: Any, where: str, reason: str
) -> None:
    with pytest.raises(CommandError) as refused:
        seed(changed(path, value))

    assert f"{where}: " in str(refused.value)
    assert "seed.json: " in str(refused.value)
    assert reason in str(refused.value)
    assert refused.value.returncode == 1
    assert not any(stored().values())


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


def test_a_user_who_comes_twice_in_two_forms_is_refused(seed: Seed) -> None:
    with pytest.raises(CommandError, match="users: fin comes twice"):
        seed({"users": [{"username": "\ufb01n"}, {"username": "fin"}]})


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"1: {}", "the document has the key 1"),
        (b"organizations: [{slug: a, name: A, members: {1: viewer}}]", "organizations.0.members has the key 1"),
        (b"organizations: [{slug: a, name: A, members: {yes: viewer}}]", "organizations.0.members has the key True"),
    ],
)
def test_a_key_in_yaml_that_is_not_text_is_refused_by_its_path(seed: Seed, encoded: bytes, reason: str) -> None:
    with pytest.raises(CommandError, match=f"cannot be read: {reason}, which is not text"):
        seed(encoded, name="seed.yaml")


@pytest.mark.parametrize(
    ("text", "value"), [("1e300", 1e300), ("1e5", 1e5), ("1.5E3", 1500.0), ("-0.0", 0.0), ("25e-1", 2.5)]
)
@pytest.mark.parametrize("name", ["seed.json", "seed.yaml"])
def test_a_number_is_the_same_in_yaml_as_in_json(seed: Seed, name: str, text: str, value: float) -> None:
    document = changed("models.0.versions.0.snapshots.0.metrics", {"log_loss": "NUMBER"})
    seed(json.dumps(document).replace('"NUMBER"', text).encode(), name=name)

    assert repr(float(MetricSnapshot.objects.get().metrics["log_loss"])) == repr(value)


def test_a_moment_of_yaml_itself_is_refused(seed: Seed) -> None:
    encoded = json.dumps(DOCUMENT).replace(f'"{MOMENT}"', "!!timestamp 2026-03-13 14:22:10").encode()

    with pytest.raises(CommandError, match="evaluated_at: Datetime has wrong format"):
        seed(encoded, name="seed.yaml")


def test_a_snapshot_of_the_test_split_needs_a_completed_version(seed: Seed) -> None:
    snapshot = DOCUMENT["models"][0]["versions"][0]["snapshots"][0]

    with pytest.raises(CommandError, match="Only a completed version"):
        seed(changed("models.0.versions.1.snapshots", [snapshot]))
    seed(changed("models.0.versions.1.snapshots", [{**snapshot, "dataset_split": "train"}]))


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


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"users": [], "users": []}',
        b'{"models": NaN}',
        b"[" * 100_000,
        b"organizations: [{slug: a, name: a, members: {1: viewer}}]",
        b"organizations: [{slug: a, name: a, members: {yes: viewer}}]",
        b'{"organizations": [{"slug": "a", "name": "a\\u0000b"}]}',
        b'{"organizations": [{"slug": "a", "name": "\\ud800"}]}',
    ],
)
@pytest.mark.parametrize("name", ["seed.json", "seed.yaml"])
def test_a_file_that_is_no_seed_document_is_refused(seed: Seed, encoded: bytes, name: str) -> None:
    with pytest.raises(CommandError, match=name):
        seed(encoded, name=name)

    assert not any(stored().values())


def test_a_file_that_is_not_there_is_refused(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"missing\.json: cannot be read"):
        call_command("seed", str(tmp_path / "missing.json"))


def test_each_file_is_loaded_for_itself(db: None, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(DOCUMENT))
    bad.write_text(json.dumps({"organizations": [{"slug": "new", "name": "New"}], "models": [{}]}))

    with pytest.raises(CommandError, match=r"bad\.json: models\.0\.model_id: This field is required"):
        call_command("seed", str(good), str(bad), verbosity=0)

    assert list(Organization.objects.values_list("slug", flat=True)) == ["acme"]


def test_the_faults_of_all_models_are_named(seed: Seed) -> None:
    document = changed("models.0.name", 5)
    document["models"] += [copy.deepcopy(DOCUMENT["models"][0]) | {"task_type": "x"}, {}]

    with pytest.raises(CommandError) as refused:
        seed(document)

    for where in ("models.0.name: ", "models.1.task_type: ", "models.2.model_id: "):
        assert where in str(refused.value)
    assert not any(stored().values())


def test_a_model_that_comes_twice_is_refused(seed: Seed) -> None:
    again = copy.deepcopy(DOCUMENT["models"][0])

    with pytest.raises(CommandError, match="models: mdl-7f3a19bc92 comes twice"):
        seed({**DOCUMENT, "models": [*DOCUMENT["models"], {**again, "name": "another"}]})
    with pytest.raises(CommandError, match="models: acme churn comes twice"):
        seed({**DOCUMENT, "models": [*DOCUMENT["models"], {**again, "model_id": "mdl-0000000001"}]})
    assert not any(stored().values())


def test_a_document_that_comes_through_a_pipe_is_loaded(db: None, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=[json.dumps(DOCUMENT).encode()])
    writer.start()

    call_command("seed", str(pipe), verbosity=0)

    writer.join()
    assert MetricSnapshot.objects.count() == 1


def test_a_model_that_was_archived_since_stays_so(seed: Seed) -> None:
    seed(DOCUMENT)
    RegisteredModel.objects.update(archived_at=EVALUATED_AT)
    before = stored()

    seed(DOCUMENT)

    assert stored() == before


def test_a_service_account_becomes_no_superuser(seed: Seed) -> None:
    User.objects.create(username="vera", is_service_account=True)

    with pytest.raises(CommandError, match="vera is a service account"):
        seed(changed("users.0.superuser", True))


def test_an_alias_in_yaml_is_refused(seed: Seed) -> None:
    with pytest.raises(CommandError, match="holds an alias"):
        seed(b"users: &all [{username: vera}]\norganizations: *all\n", name="seed.yaml")


def test_what_a_gate_refuses_to_promote_is_refused_whole(seed: Seed) -> None:
    refuse = GivenResults([CheckResult(passed=False, verdict={}, detail="accuracy is too low.")])
    register_promotion_check(refuse)
    try:
        with pytest.raises(CommandError, match="models.0.promoted: accuracy is too low"):
            seed(DOCUMENT)
    finally:
        unregister_promotion_check(refuse)
    assert not any(stored().values())
