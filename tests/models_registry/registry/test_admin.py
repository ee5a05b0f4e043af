"""Models, versions and promotions in the admin."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import promote
from tests.admin_pages import add_url, list_url, listed, page_url, rows, text_of
from tests.factories import completed_version

NO_VERSIONS = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}


def test_models_are_listed_with_organization_task_type_state_and_promoted_version(
    root: Client, model: RegisteredModel
) -> None:
    [row] = listed(root, RegisteredModel)
    assert row.startswith("churn mdl-7f3a19bc92 Acme Classification ready ver-001a1")


@pytest.mark.parametrize("state", ["draft", "training", "ready", "archived"])
def test_models_are_filtered_by_state(root: Client, acme: Organization, state: str) -> None:
    for name in ("draft", "training", "ready", "archived"):
        RegisteredModel.objects.create(organization=acme, name=f"the {name} one", task_type="ranking")
    Version.objects.create(model=RegisteredModel.objects.get(name="the training one"), number=1)
    completed_version(RegisteredModel.objects.get(name="the ready one"), number=1)
    RegisteredModel.objects.filter(name="the archived one").update(archived_at=timezone.now())
    [row] = listed(root, RegisteredModel, state=state)
    assert row.startswith(f"the {state} one")


def test_models_are_filtered_by_organization_and_task_type(
    root: Client, model: RegisteredModel, empty_model: RegisteredModel, outsider: User
) -> None:
    globex = Organization.objects.get(slug="globex")
    RegisteredModel.objects.create(organization=globex, name="theirs", task_type="regression")
    assert len(listed(root, RegisteredModel)) == 3
    assert len(listed(root, RegisteredModel, organization__id__exact=str(globex.pk))) == 1
    assert len(listed(root, RegisteredModel, task_type__exact="regression")) == 2


@pytest.mark.parametrize("words", ["churn", "mdl-7f3a19bc92", "CHUR"])
def test_models_are_found_by_name_and_id(
    root: Client, model: RegisteredModel, empty_model: RegisteredModel, words: str
) -> None:
    assert len(listed(root, RegisteredModel, q=words)) == 1


def test_models_are_filtered_by_date(root: Client, model: RegisteredModel) -> None:
    assert len(listed(root, RegisteredModel, created_at__year=str(model.created_at.year))) == 1
    assert listed(root, RegisteredModel, created_at__year="1999") == []


def test_a_models_page_lists_its_versions_newest_first(root: Client, model: RegisteredModel) -> None:
    newer = completed_version(model, number=418)
    response = root.get(page_url(model))
    newest, promoted = rows(response)[:2]
    assert newest.startswith("ver-001a2 - completed")
    assert promoted.startswith("ver-001a1 promoted completed")
    assert f'href="{page_url(newer)}"' in response.content.decode()


def test_a_models_page_shows_twenty_versions_at_a_time(root: Client, empty_model: RegisteredModel) -> None:
    for number in range(1, 31):
        completed_version(empty_model, number=number)
    first = root.get(page_url(empty_model))
    second = root.get(page_url(empty_model), {"versions-page": "2"})
    assert rows(first)[0].startswith("ver-0001e")
    assert rows(second)[0].startswith("ver-0000a")
    assert len([row for row in rows(first) if row.startswith("ver-")]) == 20
    assert "30 versions" in text_of(first.content.decode())


def test_a_models_page_takes_the_same_number_of_queries_for_any_number_of_versions(
    root: Client, model: RegisteredModel, django_assert_num_queries: Any
) -> None:
    root.get(page_url(model))
    for number in range(1, 31):
        completed_version(model, number=number)
    with django_assert_num_queries(7):
        root.get(page_url(model))


def test_a_model_is_created_with_a_task_type(root: Client, acme: Organization) -> None:
    form = {"name": "new", "organization": acme.pk, "task_type": "clustering", "description": ""}
    response = root.post(add_url(RegisteredModel), form)
    assert response.status_code == 302
    assert RegisteredModel.objects.get(name="new").task_type == "clustering"


@pytest.mark.parametrize(
    ("task_type", "fault"),
    [("astrology", "astrology is not one of the available choices"), ("", "This field is required")],
)
def test_a_model_is_not_created_without_a_known_task_type(
    root: Client, acme: Organization, task_type: str, fault: str
) -> None:
    form = {"name": "new", "organization": acme.pk, "task_type": task_type, "description": ""}
    assert fault in root.post(add_url(RegisteredModel), form).content.decode()


def test_editing_a_model_keeps_its_task_type_and_promoted_version(root: Client, model: RegisteredModel) -> None:
    promoted, other = model.versions.get(), completed_version(model, number=1)
    form = {"name": "churn", "organization": model.organization_id, "description": "edited", **NO_VERSIONS}
    forged = {"task_type": "ranking", "promoted_version": other.pk, "state": "archived"}
    assert root.post(page_url(model), {**form, **forged}).status_code == 302
    model.refresh_from_db()
    kept = (model.description, model.task_type, model.promoted_version, model.archived_at)
    assert kept == ("edited", "classification", promoted, None)


def test_a_model_with_an_unknown_task_type_stays_readable(
    root: Client, model: RegisteredModel, acme: Organization
) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(task_type="astrology")
    for url in (list_url(RegisteredModel), page_url(model), page_url(model.versions.get()), list_url(Version)):
        assert root.get(url).status_code == 200
    assert "There is no task type 'astrology'; use one of" in listed(root, RegisteredModel)[0]
    assert "There is no task type 'astrology'" in text_of(root.get(page_url(model)).content.decode())


def test_saving_keeps_the_changes_of_others_since_the_page_was_loaded(
    root: Client, model: RegisteredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = completed_version(model, number=418)
    saved = RegisteredModel.save

    def promoted_first(self: RegisteredModel, *args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(RegisteredModel, "save", saved)
        promote(version=second, promoted_by=None, reason="meanwhile")
        saved(self, *args, **kwargs)

    monkeypatch.setattr(RegisteredModel, "save", promoted_first)
    form = {"name": model.name, "organization": model.organization_id, "description": "better", **NO_VERSIONS}
    assert root.post(page_url(model), form).status_code == 302

    model.refresh_from_db()
    assert (model.description, model.promoted_version) == ("better", second)


def test_an_archived_model_is_read_only(root: Client, model: RegisteredModel) -> None:
    RegisteredModel.objects.update(archived_at=timezone.now())
    assert 'name="_save"' not in root.get(page_url(model)).content.decode()
    form = {
        "name": "new",
        "organization": model.organization_id,
        "archived_at_0": "",
        "archived_at_1": "",
        **NO_VERSIONS,
    }
    assert root.post(page_url(model), form).status_code == 403

    model.refresh_from_db()
    assert model.name == "churn"
    assert model.archived_at is not None


def test_versions_are_listed_with_the_promoted_one_marked(root: Client, model: RegisteredModel) -> None:
    Version.objects.create(model=model, number=418)
    training, promoted = listed(root, Version)
    assert training.startswith("ver-001a2 churn Acme training")
    assert promoted.startswith("ver-001a1 churn Acme promoted completed")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"promoted": "yes"}, 1),
        ({"state__exact": "training"}, 1),
        ({"model__task_type__exact": "classification"}, 2),
        ({"model__task_type__exact": "ranking"}, 0),
        ({"q": "ver-001a1"}, 1),
        ({"q": "churn ver-001a2"}, 1),
        ({"q": "prices ver-001a1"}, 0),
        ({"q": "mdl-7f3a19bc92"}, 2),
    ],
)
def test_versions_are_filtered_and_found_by_id(
    root: Client, model: RegisteredModel, query: dict[str, str], found: int
) -> None:
    Version.objects.create(model=model, number=418)
    assert len(listed(root, Version, **query)) == found


def test_versions_are_read_only(root: Client, model: RegisteredModel) -> None:
    version = model.versions.get()
    assert root.get(add_url(Version)).status_code == 403
    assert root.post(page_url(version), {"state": "failed", "number": 9}).status_code == 403
    assert root.post(f"{page_url(version).removesuffix('change/')}delete/", {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in root.get(page_url(version)).content.decode()


def test_promotions_are_read_only(root: Client, model: RegisteredModel, admin: User) -> None:
    promote(version=completed_version(model, number=418), promoted_by=admin, reason="better")
    newest, _ = listed(root, Promotion)
    assert newest.startswith("ver-001a2 churn Acme ver-001a1 ada")
    assert newest.endswith("better")
    assert root.get(add_url(Promotion)).status_code == 403
    promotion = Promotion.objects.first()
    assert promotion is not None
    assert root.get(page_url(promotion)).status_code == 200
    assert root.post(page_url(promotion), {"reason": "x"}).status_code == 403


def test_promotions_are_found_by_version(root: Client, model: RegisteredModel) -> None:
    assert len(listed(root, Promotion, q="ver-001a1")) == 1
    assert listed(root, Promotion, q="ver-00001") == []


def test_a_source_with_an_unlisted_scheme_is_no_link(root: Client, model: RegisteredModel) -> None:
    version = model.versions.get()
    Version.objects.filter(pk=version.pk).update(source_uri="javascript:alert(1)")

    page = root.get(f"/admin/models_registry/version/{version.pk}/change/").content.decode()

    assert "javascript:alert(1)" in page
    assert 'href="javascript:' not in page
