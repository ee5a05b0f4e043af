"""`/admin/performance/gatepolicy/form/`: a policy written by form, tried, and stored as the next revision."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy, GateVerdict
from tests.admin_pages import logged_in, page_url, text_of

POLICY = {
    "dataset_split": "test",
    "dataset": "october",
    "source": "computed",
    "same_dataset": True,
    "max_age_days": 30,
    "evaluation": {"positive_class": "1", "threshold": 0.5},
    "against": "best",
    "rules": [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.93, "confidence": 0.95},
        {"metric": "log_loss", "max_regression": 0.05, "relative": True, "against": "promoted"},
        {"metric": "worst_slice.country.recall", "operator": ">=", "threshold": 0.8, "min_sample_count": 50},
    ],
}
GOOD: dict[str, Any] = {"metric": "accuracy", "requirement": ">=", "limit": "0.93"}


def form_of(owner: RegisteredModel | Organization, **query: str) -> str:
    name = "model" if isinstance(owner, RegisteredModel) else "organization"
    return f"{reverse('admin:performance_gatepolicy_form')}?" + "&".join(
        f"{key}={value}" for key, value in {name: owner.pk, **query}.items()
    )


def rows(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return what a browser sends: the rows, and an empty one below."""
    given = {f"rules-{at}-{name}": value for at, rule in enumerate(rules) for name, value in rule.items()}
    counts = {"rules-TOTAL_FORMS": len(rules) + 1, "rules-INITIAL_FORMS": 0}
    return {"dataset_split": "test", f"rules-{len(rules)}-requirement": ">=", **counts, **given, **fields}


def shown(answer: Any) -> dict[str, Any]:
    """Return what a browser would send of the page as it is shown."""
    context = answer.context
    forms = [context["form"], context["rules"].management_form, *context["rules"].forms]
    values = {field.html_name: field.value() for form in forms for field in form}
    return {name: value for name, value in values.items() if value not in (None, False)}


def test_a_stored_policy_passes_through_the_form_unchanged(root: Client, model: RegisteredModel) -> None:
    stored = GatePolicy.objects.create(model=model, version=1, document=POLICY)
    assert root.get(page_url(stored).replace("change", "edit"))["Location"] == form_of(model)

    answer = root.post(form_of(model), {**shown(root.get(form_of(model))), "_save": ""})

    assert answer.status_code == 302
    newest = GatePolicy.objects.filter(model=model).current()
    assert newest is not None
    assert (newest.version, newest.document, newest.created_by) == (2, POLICY, "root")


def test_another_models_policy_is_copied(root: Client, model: RegisteredModel) -> None:
    GatePolicy.objects.create(model=model, version=1, document=POLICY)
    other = RegisteredModel.objects.create(organization=model.organization, name="other", task_type=model.task_type)
    answer = root.post(form_of(other), shown(root.get(form_of(other, copy=model.pk))))
    assert answer.status_code == 302
    assert GatePolicy.objects.get(model=other).document == POLICY


@pytest.mark.parametrize(
    ("sent", "fields", "rule_fields"),
    [
        ([GOOD, GOOD], [], [[], ["__all__"], []]),  # the second repeats the first
        (
            [GOOD, {**GOOD, "metric": "accuracyy"}, {**GOOD, "metric": "recall", "limit": "2"}],
            [],
            [[], ["metric"], ["limit"], []],
        ),
        ([{**GOOD, "limit": "nan"}, {**GOOD, "metric": ""}], [], [["limit"], ["metric"], []]),
        ([GOOD, {**GOOD, "against": "ver-00001"}], [], [[], ["against"], []]),
        ([], ["__all__"], [[]]),  # without a rule
    ],
)
def test_errors_stand_at_the_rule_that_they_are_about(
    root: Client, model: RegisteredModel, sent: list[Any], fields: list[str], rule_fields: list[list[str]]
) -> None:
    context = root.post(form_of(model), rows(*sent)).context
    assert [*context["form"].errors] == fields
    assert [[*form.errors] for form in context["rules"]] == rule_fields
    assert not GatePolicy.objects.exists()


def test_errors_stand_at_the_field_that_they_are_about(root: Client, model: RegisteredModel) -> None:
    invalid = {"max_age_days": "0", "positive_class": "x" * 9999, "against": "last"}
    assert [*root.post(form_of(model), rows(GOOD, **invalid)).context["form"].errors] == [
        "max_age_days",
        "against",
        "positive_class",
    ]
    assert [*root.post(form_of(model), rows(GOOD, k="5")).context["form"].errors] == ["k"]  # not for classification
    assert not GatePolicy.objects.exists()


BROKEN = [{}, {"rules-TOTAL_FORMS": "x", "rules-INITIAL_FORMS": "-1"}, {"_more": "", "rules-TOTAL_FORMS": "²"}]


@pytest.mark.parametrize("sent", BROKEN)
def test_a_broken_form_is_no_server_error(root: Client, model: RegisteredModel, sent: dict[str, str]) -> None:
    assert root.post(form_of(model), sent).status_code in (200, 400)
    assert not GatePolicy.objects.exists()


def test_a_preview_judges_the_newest_version_and_stores_nothing(
    root: Client, model: RegisteredModel, acme: Organization
) -> None:
    for owner in (model, acme):
        page = text_of(root.post(form_of(owner), rows({**GOOD, "limit": "0.99"}, _preview="")).content.decode())
        assert "fails 1 of 1 rule" in page
    assert not GatePolicy.objects.exists()
    assert not GateVerdict.objects.exists()


def test_rows_are_added_and_deleted(root: Client, model: RegisteredModel) -> None:
    more = root.post(form_of(model), rows(GOOD, _more=""))
    assert len(more.context["rules"].forms) == 5
    kept = {**GOOD, "metric": "recall"}
    assert root.post(form_of(model), rows({**GOOD, "DELETE": "on"}, kept)).status_code == 302
    document: Any = GatePolicy.objects.get().document
    assert [rule["metric"] for rule in document["rules"]] == ["recall"]


def test_a_policy_is_withdrawn(root: Client, acme: Organization) -> None:
    assert root.post(form_of(acme), {"_withdraw": ""}).status_code == 400
    GatePolicy.objects.create(organization=acme, version=1, document=POLICY)
    assert root.post(form_of(acme), {"_withdraw": ""}).status_code == 302
    assert GatePolicy.objects.filter(organization=acme).current() is None


def test_the_form_writes_no_policy_of_an_archived_model(root: Client, model: RegisteredModel) -> None:
    RegisteredModel.objects.update(archived_at=model.created_at)
    assert "is archived" in text_of(root.post(form_of(model), rows(GOOD)).content.decode())
    assert not GatePolicy.objects.exists()


def test_an_organizations_admin_writes_its_policies_only(
    admin: User, viewer: User, model: RegisteredModel, acme: Organization
) -> None:
    globex = Organization.objects.create(slug="globex", name="Globex")
    foreign = RegisteredModel.objects.create(organization=globex, name="secret", task_type=model.task_type)
    GatePolicy.objects.create(model=foreign, version=1, document=POLICY)
    ada = logged_in(admin)

    for owner in (model, acme):
        assert ada.post(form_of(owner), rows(GOOD)).status_code == 302
    for owner in (foreign, globex):
        assert ada.get(form_of(owner)).status_code == 404
        assert ada.post(form_of(owner), rows(GOOD)).status_code == 404
    assert ada.get(form_of(acme, copy=foreign.pk)).status_code == 404
    assert logged_in(viewer).get(form_of(model)).status_code in (302, 403)
    assert GatePolicy.objects.filter(model=foreign).count() == 1


def test_the_owner_is_chosen_first(root: Client, viewer: User) -> None:
    page = reverse("admin:performance_gatepolicy_form")
    assert "Choose a model, or an organization" in text_of(root.get(page).content.decode())
    assert root.post(page, rows(GOOD)).status_code == 400
    assert root.get(f"{page}?model=mdl-0000000000").status_code == 404
    assert root.get(f"{page}?organization=x").status_code == 400
    assert logged_in(viewer).get(page).status_code in (302, 403)
