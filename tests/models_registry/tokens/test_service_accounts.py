"""Service accounts cannot log in, and work with the tokens that they are given."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from models_registry.accounts.models import ServiceAccount, User
from models_registry.registry.models import RegisteredModel
from tests.conftest import authenticated
from tests.models_registry.tokens.exchanges import refused

pytestmark = pytest.mark.django_db


def test_a_service_account_cannot_log_in_over_http(account: ServiceAccount) -> None:
    account.set_password("correct horse battery staple")
    account.save()

    credentials = {"username": account.username, "password": "correct horse battery staple"}
    answer = Client().post("/api/v1/auth/token", credentials, content_type="application/json")

    assert refused(answer) == (401, "not_authenticated")


def test_a_service_account_cannot_log_in_to_the_admin(account: ServiceAccount) -> None:
    account.set_password("correct horse battery staple")
    account.save()
    with pytest.raises(IntegrityError, match="service_account_not_staff"), transaction.atomic():
        User.objects.filter(pk=account.pk).update(is_staff=True)

    client = Client()
    client.post("/admin/login/", {"username": account.username, "password": "correct horse battery staple"})

    assert client.get("/admin/").status_code == 302


def test_a_service_account_works_with_a_token_that_an_operator_made(
    account: ServiceAccount, model: RegisteredModel
) -> None:
    client = authenticated(User.objects.get(pk=account.pk))

    assert client.get(f"/api/v1/models/{model.pk}").status_code == 200
