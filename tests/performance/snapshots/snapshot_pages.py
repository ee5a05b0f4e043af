"""The list and the pages of snapshots in the admin, as text."""

from django.db.models import Model
from django.test import Client

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from performance.snapshots.models import MetricSnapshot
from tests import admin_pages
from tests.admin_pages import page_url, text_of
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

METRIC_HEADERS = "Metric Value Interval Better Bounds Definition"


def page_text(client: Client, record: Model) -> str:
    """Return the text of a record's page."""
    response = client.get(page_url(record))
    assert response.status_code == 200
    return text_of(response.content.decode())


def listed(client: Client, **query: str) -> list[str]:
    """Return the text of each row of the list of snapshots."""
    return admin_pages.listed(client, MetricSnapshot, **query)


def promoted_with_snapshot(organization: Organization, name: str) -> RegisteredModel:
    """Return a model with a promoted version that has the example's snapshot."""
    model = RegisteredModel.objects.create(organization=organization, name=name, task_type="classification")
    version = completed_version(model, number=1)
    snapshot(version, metrics=EXAMPLE_METRICS)
    promote(version=version, promoted_by=None, reason="")
    return model
