"""Many promotions of one model at once, seen by whoever reads it meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import dropwhile
from threading import Event
from typing import Any

import pytest
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from tests.concurrency.together import ask, together
from tests.conftest import authenticated
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_can_be_cleaned_up")]

WRITERS, READERS = 64, 2
MODEL = "/models/mdl-00000000c0"


@pytest.fixture
def rivals(acme: Organization) -> list[str]:
    """Two completed versions of one model, of which none is promoted."""
    model = RegisteredModel.objects.create(
        model_id="mdl-00000000c0", organization=acme, name="rivals", task_type="classification"
    )
    versions = [completed_version(model, number=number) for number in (1, 2)]
    for version in versions:
        snapshot(version, metrics=EXAMPLE_METRICS)
    return [version.version_id for version in versions]


def promote(client: Client, version_id: str) -> int:
    status: int = ask(client, "POST", f"{MODEL}/versions/{version_id}/promote", {}).status_code
    return status


def observe(client: Client, over: Event) -> list[list[str]]:
    """Return which versions were promoted, by everything that tells of it, again and again until all is over."""
    seen = []
    while not over.is_set():
        seen += [by_the_model(client), by_the_summary(client), by_the_versions(client)]
    return seen


def by_the_model(client: Client) -> list[str]:
    promoted = ask(client, "GET", MODEL).json()["promoted_version_id"]
    return [promoted] if promoted else []


def by_the_summary(client: Client) -> list[str]:
    answer = ask(client, "GET", f"{MODEL}/performance/summary").json()
    return [] if answer.get("code") == "no_promoted_version" else [answer["version_id"]]


def by_the_versions(client: Client) -> list[str]:
    listed = ask(client, "GET", f"{MODEL}/versions").json()["results"]
    return [version["version_id"] for version in listed if version["promoted"]]


def promotion_history(client: Client) -> list[dict[str, Any]]:
    """Return the history of promotions, oldest first."""
    newest_first: list[dict[str, Any]] = ask(client, "GET", f"{MODEL}/promotions?page_size=200").json()["results"]
    return newest_first[::-1]


def test_exactly_one_version_is_promoted_at_any_moment_and_the_history_has_every_promotion(
    rivals: list[str], admin: User, viewer: User
) -> None:
    over = Event()
    promoting = [partial(promote, authenticated(admin), rivals[i % 2]) for i in range(WRITERS)]
    with ThreadPoolExecutor(READERS) as readers:
        observing = [readers.submit(observe, authenticated(viewer), over) for _ in range(READERS)]
        try:
            assert together(promoting) == [200] * WRITERS
        finally:
            over.set()

    for observations in observing:
        promoted = [*dropwhile(lambda seen: not seen, observations.result())]
        assert len(promoted) > 3
        assert all(seen in ([rivals[0]], [rivals[1]]) for seen in promoted)

    history = promotion_history(authenticated(viewer))
    versions = [promotion["version_id"] for promotion in history]
    assert sorted(versions) == sorted(rivals * (WRITERS // 2))
    assert [promotion["previous_version_id"] for promotion in history] == [None, *versions[:-1]]
    assert by_the_model(authenticated(viewer)) == versions[-1:]
