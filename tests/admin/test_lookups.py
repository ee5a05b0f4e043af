"""No field can be probed by filtering: each page takes the lookups of its own filters and dates, and no other."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model
from django.test import Client, RequestFactory

from models_registry.accounts.models import User
from models_registry.api.model_admin import RegistryAdmin
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.models import TokenFamily
from performance.webhooks.models import Webhook, WebhookDelivery
from tests.admin.conftest import Records
from tests.admin_pages import list_url, logged_in, rows
from tests.factories import new_user

# What each page's filters ask for. `@` stands for a date hierarchy's year, month and day, `→` for a chosen record.
ALLOWED = {
    "auth.group": "",
    "axes.accessattempt": "locked_out @attempt_time",
    "mfa.authenticator": "@created_at",
    "models_registry.auditentry": "action= content_type→ actor→ code",
    "models_registry.modelgrant": "scope= model__organization→",
    "models_registry.namedtoken": "user__owner→ revoked @created_at",
    "models_registry.personaltoken": "revoked @created_at",
    "models_registry.organization": "@created_at",
    "models_registry.promotion": "model__organization→ model__task_type= promoted_by→",
    "models_registry.registeredmodel": "organization→ task_type= state @created_at",
    "models_registry.serviceaccount": "is_active= owner→ memberships__organization→ @date_joined",
    "models_registry.tokenfamily": "revoked @created_at",
    "models_registry.trustedissuer": "is_active=",
    "models_registry.trustrule": "issuer→ is_active=",
    "models_registry.user": "is_active= is_service_account= is_staff= is_superuser= "
    "memberships__organization→ @date_joined",
    "models_registry.version": "model__organization→ model__task_type= state= promoted",
    "performance.badge": "model__organization→ revoked @created_at",
    "performance.dataset": "organization→",
    "performance.evaluationjob": "version__model__organization→ state= dataset_split=",
    "performance.gatepolicy": "model→ organization→ @created_at",
    "performance.gateverdict": "model__organization→ occasion=",
    "performance.metricsnapshot": "version__model__organization→ version__model__task_type= dataset_split= "
    "dataset__icontains source= promoted",
    "performance.webhook": "organization→ is_active=",
    "performance.webhookdelivery": "webhook__organization→ state= event event__isnull",
    "socialaccount.socialaccount": "@date_joined",
}
KEYS = {"model": "model_id"}  # the primary keys that are not called `id`
SENT = ("exact", "gte", "startswith", "regex", "isnull", "in")
VALUES = ("-1", "9" * 40, "½", "(")
DATES = ("year", "month", "day")
OWN_PARAMETERS = ("q", "o", "_to_field")  # what they do depends on the page
PARAMETERS = ("_popup", "_facets", "all", "p", "e", "_changelist_filters")  # every list does the same with them

PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def registered() -> list[Any]:
    """Return the pages."""
    return list(admin.site._registry.values())


def allowed(model: type[Model]) -> set[str]:
    """Return the query parameters that a page's filters ask for."""
    return {name for text in ALLOWED[model._meta.label_lower].split() for name in spelled_out(text)}


def spelled_out(text: str) -> Iterator[str]:
    if text[0] == "@":
        yield from (f"{text[1:]}__{part}" for part in DATES)
    elif text[-1] in "=→":
        path = text[:-1]
        key = KEYS.get(path.rpartition("__")[2], "id")
        yield from (f"{path}__exact" if text[-1] == "=" else f"{path}__{key}__exact", f"{path}__isnull")
    else:
        yield text


def paths(model: type[Model], depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the paths to all fields, through up to `depth` relations, of any direction."""
    for field in model._meta.get_fields():
        yield field.name, field
        if depth and field.is_relation and isinstance(field.related_model, type):
            for path, target in paths(field.related_model, depth - 1):
                yield f"{field.name}__{path}", target


def lookups(field: Any) -> set[str]:
    own = field.get_lookups() if isinstance(field, Field) else Field.get_class_lookups()
    return {"", *(f"__{name}" for name in {*own, *SENT, "date", "year", "month__gte"})}


def test_every_page_has_the_allow_list() -> None:
    assert all(isinstance(page, RegistryAdmin) for page in admin.site._registry.values())
    assert {model._meta.label_lower for model in PAGES} == set(ALLOWED)


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind._meta.label_lower)
def test_every_lookup_of_every_field_two_relations_deep_is_refused_unless_a_filter_asks_for_it(
    kind: type[Model], superuser: User
) -> None:
    request = RequestFactory().get("/")
    request.user = superuser
    page = admin.site._registry[kind]
    names = {f"{path}{lookup}" for path, field in paths(kind, 1) for lookup in lookups(field)}
    names |= {path for path, _ in paths(kind, 2)} | {f"{path}__startswith" for path, _ in paths(kind, 2)}

    accepted = {name for name in names | allowed(kind) if page.lookup_allowed(name, "x", request)}

    assert accepted == allowed(kind)


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind._meta.label_lower)
def test_a_refused_lookup_is_a_400_page_and_an_allowed_one_no_500(
    kind: type[Model], root: Client, records: Records
) -> None:
    refused = {f"{path}__{lookup}" for path, _ in paths(kind, 0) for lookup in ("gte", "regex")} - allowed(kind)
    few = sorted(refused)[:: len(refused) // 3]  # the page asks `lookup_allowed`, which the test above asks for all
    assert statuses(root, kind, few, ["("]) == {400}

    assert statuses(root, kind, allowed(kind), VALUES) <= {200, 302, 400}
    dates = {name for name in allowed(kind) if name.endswith(DATES)}
    assert statuses(root, kind, dates, ["9999"]) <= {200, 302, 400}
    assert statuses(root, kind, OWN_PARAMETERS, ["9" * 40, "½["]) <= {200, 302, 400}


@pytest.mark.parametrize("kind", [RegisteredModel, Webhook], ids=lambda kind: kind._meta.label_lower)
def test_a_parameter_of_all_lists_is_no_500(kind: type[Model], root: Client, records: Records) -> None:
    assert statuses(root, kind, PARAMETERS, ["9" * 40, "½["]) <= {200, 302, 400}


def statuses(root: Client, kind: type[Model], names: Iterable[str], values: Iterable[str]) -> set[int]:
    """Return the statuses with which a list answers each parameter with each value."""
    return {root.get(list_url(kind), {name: value}).status_code for name in names for value in values}


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (Webhook, {"secret__gte": "whsec_A"}),
        (Webhook, {"secret__regex": "("}),
        (User, {"password__startswith": "md5"}),
        (User, {"token_families__current_jti__startswith": "a"}),
        (TokenFamily, {"current_jti__startswith": "a"}),
        (TokenFamily, {"user__password__startswith": "a"}),
        (WebhookDelivery, {"payload__contains": "a"}),
        (WebhookDelivery, {"webhook__secret__gte": "a"}),
        (RegisteredModel, {"organization__webhooks__secret__gte": "a"}),
        (User, {"_to_field": "password"}),
        (Webhook, {"_popup": "1", "_to_field": "secret"}),
    ],
)
def test_no_page_mentions_hidden_fields(root: Client, records: Records, kind: type[Model], query: Any) -> None:
    answer = root.get(list_url(kind), query)

    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/html")


def test_actions_on_all_that_match_take_no_other_lookups(root: Client, records: Records) -> None:
    form = {"action": "delete_selected", "select_across": "1", "_selected_action": "1"}

    assert root.post(f"{list_url(Webhook)}?secret__gte=a", form).status_code == 400


def test_a_search_field_is_shown_on_its_own_page() -> None:
    """What a search finds by is on the page, or names a related record that is."""
    hidden = {"password", "secret", "current_jti", "payload", "claims", "post_data", "session_data"}
    for model, page in admin.site._registry.items():
        for path in page.search_fields:
            assert not hidden & set(path.split("__"))
            try:
                shown = model._meta.get_field(path.split("__")[0]).name
            except FieldDoesNotExist:
                shown = ""
            assert shown in {field.name for field in model._meta.get_fields()}


def test_the_url_of_a_webhook_is_found_only_by_those_who_may_see_it(records: Records) -> None:
    staff = new_user("stan", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_webhookdelivery"))
    assert rows(logged_in(staff).get(list_url(WebhookDelivery), {"q": "example.com"})) == []

    staff.user_permissions.add(Permission.objects.get(codename="view_webhook"))
    assert len(rows(logged_in(staff).get(list_url(WebhookDelivery), {"q": "example.com"}))) == 1


def test_columns_are_sorted_by_what_they_show(root: Client) -> None:
    page: Any = admin.site._registry[WebhookDelivery]
    assert page.receiver.admin_order_field == "webhook"


class TestSearchBoxes:
    """Autocomplete lists what one of the caller's own pages offers, of records that they may see."""

    URL = "/admin/autocomplete/"

    def ask(self, client: Client, app: str, model: str, field: str) -> Any:
        query = {"app_label": app, "model_name": model, "field_name": field, "term": ""}
        return client.get(self.URL, query)

    @pytest.fixture
    def staff(self, records: Records) -> User:
        """Stan, who may see models and organizations."""
        user = new_user("stan", is_staff=True)
        names = ["view_registeredmodel", "view_organization"]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        return user

    @pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind._meta.label_lower)
    def test_any_other_relation_is_refused(
        self, superuser: User, root: Client, records: Records, kind: type[Model]
    ) -> None:
        offered = {
            (field.model._meta.model_name, field.name)
            for page in registered()
            for field in page.autocompleted_fields(_request_of(superuser))
        }
        for field in kind._meta.get_fields():
            answer = self.ask(root, kind._meta.app_label, str(kind._meta.model_name), field.name)
            expected = 200 if (kind._meta.model_name, field.name) in offered else 403
            assert answer.status_code == expected, field

    @pytest.mark.parametrize("field", ["", "nothing", "pk", "password", "user__password", "\ud7ff", "x" * 1000])
    def test_names_of_no_relation_are_refused(self, root: Client, field: str) -> None:
        assert self.ask(root, "models_registry", "modelgrant", field).status_code == 403
        assert root.get(self.URL).status_code == 403

    @pytest.mark.parametrize("query", [{"page": "x"}, {"page": "9" * 30}, {"page": "0"}, {"page": "½"}])
    def test_a_page_that_is_none_is_no_500(self, root: Client, records: Records, query: dict[str, str]) -> None:
        relation = {"app_label": "models_registry", "model_name": "registeredmodel", "field_name": "organization"}
        assert root.get(self.URL, relation | query).status_code in {400, 404}

    def test_staff_find_what_they_may_see(self, staff: User) -> None:
        assert self.ask(logged_in(staff), "models_registry", "registeredmodel", "organization").status_code == 200

    def test_staff_find_nothing_of_a_page_that_they_may_not_open(self, staff: User) -> None:
        assert self.ask(logged_in(staff), "performance", "webhook", "organization").status_code == 403

    def test_staff_find_nothing_that_they_may_not_see(self, staff: User) -> None:
        staff.user_permissions.remove(Permission.objects.get(codename="view_organization"))
        client = logged_in(staff)

        assert self.ask(client, "models_registry", "registeredmodel", "organization").status_code == 403
        page = client.get(list_url(RegisteredModel))
        assert "By organization" not in page.content.decode()
        assert client.get(list_url(RegisteredModel), {"organization__id__exact": "1"}).status_code == 400


def _request_of(user: User) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request
