"""Read the summary of a model."""

from typing import Any

from django.test import Client

from models_registry.registry.models import RegisteredModel


def summary_url(model: RegisteredModel | str) -> str:
    """Return the address of a model's summary."""
    model_id = model if isinstance(model, str) else model.pk
    return f"/api/v1/models/{model_id}/performance/summary"


def get_summary(reader: Client, model: RegisteredModel | str, **query: str) -> Any:
    """Return the answer to a request for a summary."""
    return reader.get(summary_url(model), query)
