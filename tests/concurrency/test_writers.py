"""SQLite takes one writer at a time: the others wait, and none is refused."""

from functools import partial

import pytest
from django.db import connection
from django.test import Client

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from tests.concurrency.together import alone, together
from tests.conftest import authenticated
from tests.factories import completed_version

pytestmark = [
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has many writers"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("rows_can_be_cleaned_up"),
]

WRITERS, EACH = 8, 50


def report(client: Client, path: str) -> list[int]:
    body = {"dataset_split": "test", "metrics": {"rmse": 0.5}, "custom_metrics": {"cost": 1.5}}
    return [alone(lambda: client.post(path, body, content_type="application/json")).status_code for _ in range(EACH)]


def test_no_writer_finds_the_database_locked(acme: Organization, empty_model: RegisteredModel, editor: User) -> None:
    version = completed_version(empty_model, number=1)
    path = f"/api/v1/models/{empty_model.pk}/versions/{version.version_id}/snapshots"

    statuses = together([partial(report, authenticated(editor), path) for _ in range(WRITERS)])

    assert statuses == [[201] * EACH] * WRITERS
    assert MetricSnapshot.objects.filter(detail__isnull=False).count() == WRITERS * EACH
