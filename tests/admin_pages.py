"""What the tests of the admin share: logging in, addresses of pages, and the text on them."""

import re
from html import unescape
from typing import Any

from django.db.models import Model
from django.test import Client
from django.urls import reverse

from models_registry.accounts.models import User


def logged_in(user: User) -> Client:
    """Return a client with an admin session of `user`."""
    client = Client()
    client.force_login(user, backend="models_registry.tokens.backends.PeopleBackend")
    return client


def list_url(model: type[Model]) -> str:
    """Return the address of a model's list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def add_url(model: type[Model]) -> str:
    """Return the address of a model's empty form."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def page_url(record: Model) -> str:
    """Return the address of a record's page."""
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])


def text_of(html: str) -> str:
    """Return the text of some HTML, its white space collapsed."""
    return " ".join(unescape(re.sub(r"<script.*?</script>|<[^>]*>", " ", html, flags=re.DOTALL)).split())


def rows(response: Any) -> list[str]:
    """Return the text of each row of the list, or of the inline table, on a page."""
    body = response.content.decode()
    listed = re.findall(r"<tbody.*?</tbody>", body, flags=re.DOTALL)
    return [text for row in listed if (text := text_of(row))]


def listed(client: Client, model: type[Model], **query: str) -> list[str]:
    """Return the text of each row of a model's list."""
    response = client.get(list_url(model), query)
    assert response.status_code == 200
    return rows(response)
