"""Gate policies in the admin: added with the API's validation, never changed."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import Organization
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy, GateVerdict
from tests.admin_pages import add_url, list_url, page_url, rows, text_of

GOOD = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.93}]}


def add(client: Client, document: Any, **owner: Any) -> Any:
    text = document if isinstance(document, str) else json.dumps(document)
    return client.post(add_url(GatePolicy), {"model": "", "organization": "", "document": text, **owner})


def fault(client: Client, document: Any, **owner: Any) -> str:
    answer = add(client, document, **owner)
    assert answer.status_code == 200
    assert not GatePolicy.objects.exists()
    return text_of(answer.content.decode())


def test_a_policy_of_a_model_is_added_as_its_next_version(root: Client, model: RegisteredModel) -> None:
    for _ in range(2):
        assert add(root, GOOD, model=model.pk).status_code == 302

    newest = GatePolicy.objects.current()
    assert newest is not None
    assert (newest.model, newest.version, newest.document, newest.created_by) == (model, 2, GOOD, "root")
    assert AuditEntry.objects.filter(content_type__model="gatepolicy").count() == 2
    assert [row.split()[-4:] for row in rows(root.get(list_url(GatePolicy)))] == [
        ["churn", "2", "1", "root"],
        ["churn", "1", "1", "root"],
    ]


def test_a_policy_of_an_organization_is_added_and_withdrawn(root: Client, acme: Organization) -> None:
    assert add(root, GOOD, organization=acme.pk).status_code == 302
    assert add(root, "", organization=acme.pk).status_code == 302

    assert GatePolicy.objects.filter(organization=acme).count() == 2
    assert GatePolicy.objects.filter(organization=acme).current() is None
    assert "withdrawn" in rows(root.get(list_url(GatePolicy)))[0]


def test_what_the_api_refuses_is_refused_with_the_rule(root: Client, model: RegisteredModel) -> None:
    unknown = {"rules": [{"metric": "accuracyy", "operator": ">=", "threshold": 0.93}]}

    assert "rules.0.metric: There is no 'accuracyy' of classification" in fault(root, unknown, model=model.pk)
    assert "rules: Must be a list of at least one rule." in fault(root, {"rules": []}, model=model.pk)
    assert "Must be an object with `rules`." in fault(root, [], model=model.pk)
    assert "This is not a JSON document" in fault(root, "{", model=model.pk)


@pytest.mark.parametrize("document", ["null", " null ", "0", "false", '""', "[]"])
def test_only_an_empty_field_withdraws_a_policy(root: Client, model: RegisteredModel, document: str) -> None:
    add(root, GOOD, model=model.pk)

    assert add(root, document, model=model.pk).status_code == 200
    assert GatePolicy.objects.get().document == GOOD


def test_what_is_not_in_force_is_not_withdrawn(root: Client, model: RegisteredModel, acme: Organization) -> None:
    assert "There is no policy to withdraw." in fault(root, "", organization=acme.pk)

    add(root, GOOD, organization=acme.pk)
    assert "There is no policy to withdraw." in text_of(add(root, "", model=model.pk).content.decode())
    assert add(root, "", organization=acme.pk).status_code == 302
    assert "There is no policy to withdraw." in text_of(add(root, "", organization=acme.pk).content.decode())
    assert GatePolicy.objects.count() == 2


def test_a_policy_is_of_a_model_or_of_an_organization(root: Client, model: RegisteredModel, acme: Organization) -> None:
    assert "Choose a model, or an organization." in fault(root, GOOD)
    assert "Choose a model, or an organization." in fault(root, GOOD, model=model.pk, organization=acme.pk)


def test_no_policy_is_added_to_an_archived_model(root: Client, model: RegisteredModel) -> None:
    model.archived_at = model.created_at
    model.save()

    assert "is archived" in fault(root, GOOD, model=model.pk)


def test_a_stored_policy_is_only_looked_at(root: Client, model: RegisteredModel) -> None:
    add(root, GOOD, model=model.pk)
    page = page_url(GatePolicy.objects.get())

    assert "accuracy" in root.get(page).content.decode()
    assert root.post(page, {"document": "{}"}).status_code == 403
    assert root.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert GatePolicy.objects.get().document == GOOD


def test_the_form_shows_an_example_that_it_takes_and_indents_what_is_edited(
    root: Client, model: RegisteredModel
) -> None:
    form = root.get(add_url(GatePolicy)).content.decode()
    [example] = re.findall(r"Such as <pre[^>]*>(.*?)</pre>", form, re.S)

    answer = add(root, json.dumps({"rules": []}), model=model.pk)
    assert add(root, unescape(example), model=model.pk).status_code == 302
    assert '{"rules": []}' in unescape(answer.content.decode()), "what was typed stays as it was typed"


def test_the_rules_of_a_stored_policy_are_a_table_with_its_json_indented(root: Client, model: RegisteredModel) -> None:
    rules = [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.93, "confidence": 0.95},
        {"metric": "log_loss", "max_regression": 0.01, "relative": True},
        {"metric": "sample_count", "operator": ">=", "threshold": 1000},
    ]
    add(root, {"dataset_split": "test", "rules": rules}, model=model.pk)
    body = root.get(page_url(GatePolicy.objects.get())).content.decode()

    table = text_of(body.split('id="rules"', 1)[1].split("</table>", 1)[0])
    assert "Metric Operator Threshold Worse by at most Against Confidence Examples of a slice accuracy >=" in table
    assert "log_loss 0.01 of the baseline's value sample_count >= 1000" in table
    assert '{\n  "dataset_split": "test",\n  "rules": [\n    {' in unescape(body)


def test_a_withdrawn_policy_says_so(root: Client, model: RegisteredModel) -> None:
    add(root, GOOD, model=model.pk)
    add(root, "", model=model.pk)

    body = root.get(page_url(GatePolicy.objects.get(version=2))).content.decode()
    assert "Policy withdrawn" in text_of(body)
    assert 'id="rules"' not in body


def test_what_became_of_the_rules_is_a_table_in_six_digits(root: Client, model: RegisteredModel) -> None:
    within = {"lower": 0.9254751605265878, "upper": 0.991010438691352, "level": 0.95, "method": "wilson"}
    judged = {
        "metric": "accuracy",
        "operator": ">=",
        "threshold": 0.93,
        "value": 0.9736842105263158,
        "interval": within,
        "baseline_value": None,
        "status": "failed",
        "detail": "the lower end of its 95% interval 0.9254751605265878; at least <b>0.93</b> is required.",
    }
    of_difference = {**within, "lower": -0.015749693366599732}
    compared = {**judged, "metric": "log_loss", "baseline_value": 0.05540456851630012, "interval": of_difference}
    missing = {**judged, "metric": "recall", "operator": None, "threshold": None, "value": None, "interval": None}
    verdict = GateVerdict.objects.create(
        model=model,
        version=model.versions.get(),
        occasion="promotion",
        status="failed",
        document={
            "rules": [judged, compared, missing | {"status": "missing"}],
            "warnings": ["recall <= 1 lets worse values pass."],
            "policy": {"owner": "model", "version": 3},
            "baseline_version_id": "ver-00003",
        },
    )
    text = text_of(root.get(page_url(verdict)).content.decode())

    assert (
        "Metric Status Required Value Interval Baseline Why accuracy failed >= 0.93 0.973684 0.925475 to 0.99101"
        in text
    )
    assert "0.925475; at least <b>0.93</b> is required." in text
    assert "log_loss failed >= 0.93 0.973684 difference -0.0157497 to 0.99101 0.0554046" in text
    assert "recall missing the lower" in text
    assert "recall <= 1 lets worse values pass." in text
    assert "Baseline ver-00003 Policy the model's, version 3" in text


def test_verdicts_are_listed_and_only_looked_at(root: Client, model: RegisteredModel) -> None:
    document = {"rules": [{"detail": "accuracy is 0.91; at least 0.93 is required."}]}
    verdict = GateVerdict.objects.create(
        model=model, version=model.versions.get(), occasion="promotion", status="failed", document=document
    )

    [row] = rows(root.get(list_url(GateVerdict), {"q": "ver-001a1 churn"}))
    assert "churn ver-001a1 failed Promotion" in row
    assert "accuracy is 0.91" in root.get(page_url(verdict)).content.decode()
    assert root.post(page_url(verdict), {"status": "passed"}).status_code == 403


def test_a_verdict_without_a_policy_says_so_in_words(root: Client, model: RegisteredModel) -> None:
    GateVerdict.objects.create(
        model=model, version=model.versions.get(), occasion="enforcement", status="no_policy", document={"rules": []}
    )
    [row] = rows(root.get(list_url(GateVerdict)))
    assert "churn ver-001a1 no policy Enforcement" in row
