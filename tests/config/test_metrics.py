"""`GET /metrics`"""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from performance.jobs.heartbeat import Heartbeat
from performance.jobs.models import Worker
from performance.webhooks.models import Webhook, WebhookDelivery

TOKEN = "a token of more than thirty-two bytes"  # noqa: S105  # for this test only


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return the value of each sample by its name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: Client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/plain")
    return samples(answer.content.decode())


def test_metrics_are_closed_without_the_token(db: None, settings: Any) -> None:
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404

    settings.METRICS_TOKEN = TOKEN
    client = Client(enforce_csrf_checks=True)
    for headers in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer é"}):
        assert client.get("/metrics", headers=headers).json()["code"] == "not_authenticated"
    assert client.post("/metrics").status_code == 405
    assert client.head("/metrics", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


@pytest.mark.usefixtures("rows_can_be_cleaned_up")
@pytest.mark.django_db(transaction=True)
def test_metrics_count_requests_by_route_and_show_the_queues(
    settings: Any, model: RegisteredModel, editor: User, outsider: User, as_user: Any
) -> None:
    settings.METRICS_TOKEN = TOKEN
    client = Client()
    before = scrape(client)
    now = timezone.now()
    described = {"version": model.versions.get(), "dataset_split": "test", "file": "uploads/x.csv"}
    for state, minutes in (("queued", 5), ("queued", 1), ("running", 3)):
        since = now - timedelta(minutes=minutes)
        EvaluationJob.objects.create(state=state, created_at=since, started_at=since, **described)
    ended = {"state": "failed", "due_at": None}
    EvaluationJob.objects.create(finished_at=now - timedelta(minutes=2), **ended, **described)
    EvaluationJob.objects.create(finished_at=now - timedelta(hours=2), **ended, **described)
    webhook = Webhook.objects.create(organization=model.organization, url="https://example.com", events=[], secret="x")
    WebhookDelivery.objects.create(webhook=webhook, event="test", payload="{}", due_at=now - timedelta(minutes=4))
    Heartbeat().report()
    Worker.objects.create(host="lost", pid=7, seen_at=now - timedelta(minutes=10))
    for caller, path in ((editor, model.pk), (outsider, model.pk), (editor, "mdl-0000000000")):
        as_user(caller).get(f"/api/v1/models/{path}/performance/summary")
    as_user(editor).generic("BREW", "/a/path/of/a/caller")

    after = scrape(client)

    def added(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    route = "/api/v1/models/<str:model_id>/performance/summary"
    requests = "registry_request_duration_seconds_count"
    assert added(requests, "GET", route, "200") == 1
    assert added(requests, "GET", route, "404") + added(requests, "GET", route, "403") == 2
    assert added(requests, "other", "unmatched", "404") == 1
    assert added("registry_denials_total", "permission_denied", "403") == 1
    assert after["registry_process_memory_bytes", str(Worker.objects.exclude(host="lost").get().pid)] > 2**20
    assert after["registry_database_up",] == 1
    assert [after["registry_evaluations", state] for state in ("queued", "running")] == [2, 1]
    ages = [after["registry_evaluation_oldest_age_seconds", state] for state in ("queued", "running")]
    assert ages == pytest.approx([300, 180], abs=60)
    assert [after["registry_evaluations_ended_last_hour", state] for state in ("succeeded", "failed")] == [0, 1]
    assert after["registry_evaluation_last_ended_age_seconds",] == pytest.approx(120, abs=60)
    assert after["registry_webhook_messages_waiting",] == 1
    assert after["registry_webhook_oldest_due_age_seconds",] == pytest.approx(240, abs=60)
    assert after["registry_workers_alive",] == 1
    assert after["registry_worker_heartbeat_age_seconds", "lost:7"] == pytest.approx(600, abs=60)
    assert not any("mdl-" in label for key in after for label in key)
