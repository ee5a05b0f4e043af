"""What no form of the admin sends is refused with a page that says why: a 400, never a 500."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from config.admin.input_guard import MAX_INLINE_FORMS
from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from tests.admin.conftest import Records
from tests.admin_pages import add_url, list_url, page_url, text_of
from tests.hostile import Endless, environ_of, served

BAD_IDS = ["letters", "9" * 40, "١٢", "1.5", "_00", "a_00b", "%FF", "%00", "½", "1 OR 1", "x" * 5000, "'"]
HOSTILE_FORMS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "NUL in a value": {"name": "a\0b"},
    "NUL in a name": {"a\0b": "x"},
    "a thousand million inline forms": {"memberships-TOTAL_FORMS": "1000000000", "memberships-INITIAL_FORMS": "0"},
    "too many inline forms": {"versions-TOTAL_FORMS": str(MAX_INLINE_FORMS + 1), "versions-INITIAL_FORMS": "0"},
    "a negative number of inline forms": {"memberships-TOTAL_FORMS": "-1", "memberships-INITIAL_FORMS": "-1"},
    "letters for a number of forms": {"memberships-TOTAL_FORMS": "x", "memberships-INITIAL_FORMS": "½"},
    "more stored forms than there are": {"memberships-TOTAL_FORMS": "9", "memberships-INITIAL_FORMS": "9"},
    "a form of a record elsewhere": {
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": "9" * 40,
        "memberships-0-user": "9" * 40,
        "memberships-0-organization": "x",
        "memberships-0-DELETE": "on",
    },
    "numbers out of range": dict.fromkeys(
        ("organization", "user", "model", "issuer", "service_account", "groups", "user_permissions", "permissions"),
        "9" * 40,
    ),
    "ids of letters": dict.fromkeys(("organization", "user", "model", "groups", "permissions", "scopes"), "x"),
    "more fields than are taken": {f"field{number}": "x" for number in range(1100)},
    "a foreign field for a popup": {"_popup": "1", "_to_field": "password"},
    "an action on a bad id": {"action": "delete_selected", "_selected_action": ["x", "9" * 40]},
    "an unknown action": {"action": "drop", "_selected_action": ["1"], "index": "9" * 40, "select_across": "x"},
    "a list to edit": {"_save": "1", "form-TOTAL_FORMS": "1000000000", "form-INITIAL_FORMS": "1", "form-0-id": "1"},
}
REFUSED = {
    "NUL in a value",
    "NUL in a name",
    "a thousand million inline forms",
    "too many inline forms",
    "a negative number of inline forms",
    "letters for a number of forms",
    "more fields than are taken",
    "a list to edit",
}
# What a list reads of a form, and what is read by lists alone.
READ_BY_LISTS = [
    "nothing",
    "NUL in a name",
    "a foreign field for a popup",
    "an action on a bad id",
    "an unknown action",
    "a list to edit",
]
OF_LISTS = {"an action on a bad id", "a list to edit"}
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def forms_for(record: Model) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a kind of records, and of one of them, each with the names of the forms that it reads.

    What is refused before a page is chosen is sent to the pages of one kind, and one of it to all.
    """
    yield from product([list_url(type(record))], READ_BY_LISTS)
    pages = [add_url(type(record)), page_url(record)]
    if record._meta.model_name == "user":
        pages.append(reverse("admin:auth_user_password_change", args=[record.pk]))
    left_out = OF_LISTS if type(record) is Organization else OF_LISTS | REFUSED - {"NUL in a value"}
    yield from product(pages, [name for name in HOSTILE_FORMS if name not in left_out])


def _delete_url(record: Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_delete", args=[record.pk])


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind._meta.label_lower)
def test_a_hostile_form_is_no_500_on_any_page(kind: type[Model], root: Client, records: Records) -> None:
    answers = {(url, name): root.post(url, HOSTILE_FORMS[name]).status_code for url, name in forms_for(records[kind])}

    assert {(key, status) for key, status in answers.items() if status not in {200, 302, 400, 403}} == set()
    assert {status for (_, name), status in answers.items() if name in REFUSED} == {400}


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind._meta.label_lower)
def test_a_bad_id_is_a_400_on_any_page(kind: type[Model], root: Client, records: Records) -> None:
    for send, url in ((root.get, page_url(records[kind])), (root.post, _delete_url(records[kind]))):
        before, _, after = url.rpartition(f"/{quote(str(records[kind].pk))}/")
        for bad in BAD_IDS:
            assert send(f"{before}/{bad}/{after}").status_code in {400, 403}, bad
    for bad in ("letters", "9" * 40, "½", "١٢"):
        form = {"action": "delete_selected", "_selected_action": [bad]}
        assert root.post(list_url(kind), form).status_code in {200, 302, 400}, bad
    history = reverse(f"admin:{kind._meta.app_label}_{kind._meta.model_name}_history", args=["½"])
    assert root.get(history).status_code == 400


def test_the_page_of_a_refused_form_says_what_is_wrong(root: Client, acme: Organization) -> None:
    answer = root.post(page_url(acme), {"name": "a\0b"})

    assert answer["Content-Type"].startswith("text/html")
    assert "The form has a NUL character." in text_of(answer.content.decode())


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/logout/", "/admin/password_change/", "/admin/autocomplete/"])
@pytest.mark.parametrize("name", HOSTILE_FORMS)
def test_a_hostile_form_is_no_500_on_pages_without_records(root: Client, path: str, name: str) -> None:
    assert root.post(path, HOSTILE_FORMS[name]).status_code in {200, 302, 400, 403, 405}


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "javascript:alert(1)",
        "http://[",
        "\\\\evil.example",
        "/\r\nSet-Cookie: a=b",
    ],
)
def test_a_login_leads_to_no_other_site(superuser: Any, target: str) -> None:
    form = {"username": "root", "password": "correct horse battery staple", "next": target}
    answer = Client().post("/admin/login/", form)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/")
    assert not answer["Location"].startswith(("//", "/\\"))
    assert "Set-Cookie: a" not in str(answer.headers.items())


@pytest.mark.parametrize("name", ["next", "username", "password", "csrfmiddlewaretoken"])
def test_nul_in_a_login_is_refused(db: None, name: str) -> None:
    assert Client().post("/admin/login/", {"username": "a", "password": "b", name: "/a\0b"}).status_code == 400


@pytest.mark.parametrize("cookie", ["csrftoken", "sessionid", "other"])
def test_nul_in_a_cookie_is_refused(db: None, cookie: str) -> None:
    client = Client()
    client.cookies[cookie] = "a\0b"

    assert client.get("/admin/login/").status_code == 400


@pytest.mark.parametrize("page", ["x", "½", "-1", "9" * 30, "9999", "0", ""])
def test_a_page_that_is_none_is_no_500(root: Client, records: Records, page: str) -> None:
    model = records[RegisteredModel]
    addresses = [
        f"{list_url(RegisteredModel)}?p={page}",
        f"{page_url(model)}?versions-page={page}",
        f"/admin/search/?s=model&page={page}",
        page_url(model).removesuffix("change/") + f"history/?p={page}",
    ]

    assert [status for url in addresses if (status := root.get(url).status_code) not in {200, 302, 400, 404}] == []


def test_a_form_that_breaks_off_is_refused(root: Client, acme: Organization) -> None:
    answer = root.generic("POST", page_url(acme), b"--x\r\nContent-Dis", "multipart/form-data; boundary=x")

    assert answer.status_code in {200, 400}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/admin/evaluations", "/admin/login/", "/admin/api/v1/models/a/versions/b/evaluations"]
)
@pytest.mark.parametrize("media_type", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": str(2**40)}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_of_a_body_without_an_end_nothing_past_the_limit_is_read(
    path: str, media_type: str, length: dict[str, str]
) -> None:
    body = Endless()
    environ: dict[str, Any] = {**environ_of("POST", path, media_type), "wsgi.input": body, **length}

    assert served(environ) == (413, "payload_too_large")
    assert body.given <= settings.MAX_BODY_BYTES + 1


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/evaluations"])
def test_an_announced_length_is_bounded_before_the_form_is_read(path: str) -> None:
    body = Endless()
    announced: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": str(2**40)}
    answer = Client().generic("POST", path, b"", "multipart/form-data; boundary=b", **announced)

    assert (answer.status_code, body.given) == (413, 0)
