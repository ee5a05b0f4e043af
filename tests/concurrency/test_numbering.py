"""Many versions of one model created at once, and one of them under one key."""

from functools import partial
from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from tests.concurrency.together import ask, together
from tests.conftest import authenticated

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_can_be_cleaned_up")]

THREADS, EACH = 64, 2  # simultaneous requests are what makes numbers collide; 50 each in tests/benchmarks/numbering.py


def create(client: Client, model: RegisteredModel, times: int) -> list[Any]:
    return [ask(client, "POST", f"/models/{model.pk}/versions", {}) for _ in range(times)]


def test_numbers_follow_each_other_without_gap_or_duplicate(empty_model: RegisteredModel, editor: User) -> None:
    creating = [partial(create, authenticated(editor), empty_model, EACH) for _ in range(THREADS)]
    answers = [answer for of_thread in together(creating) for answer in of_thread]

    assert {answer.status_code for answer in answers} == {201}
    expected = [ids.version_id(number) for number in range(1, THREADS * EACH + 1)]
    assert sorted(answer.json()["version_id"] for answer in answers) == expected
    assert empty_model.versions.count() == THREADS * EACH


def test_of_many_simultaneous_uses_of_one_key_one_does_the_work(empty_model: RegisteredModel, editor: User) -> None:
    body = {"description": "the one"}
    path, key = f"/models/{empty_model.pk}/versions", {"Idempotency-Key": "k-1"}
    clients = [authenticated(editor) for _ in range(THREADS)]

    answers = together([partial(ask, client, "POST", path, body, **key) for client in clients])

    assert Version.objects.count() == 1
    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer.json()["code"] for answer in answers if answer.status_code == 409]
    assert len(done) + len(refused) == THREADS
    assert set(refused) <= {"idempotency_in_progress"}
    assert len([answer for answer in done if "Idempotency-Replayed" not in answer]) == 1
    assert len({answer.content for answer in done}) == 1

    later = ask(clients[0], "POST", path, body, **key)
    assert (later.status_code, later["Idempotency-Replayed"], later.content) == (201, "true", done[0].content)
    assert Version.objects.count() == 1
