"""A version to evaluate."""

from typing import Any

import pytest

from models_registry.registry.models import RegisteredModel
from tests.factories import completed_version


@pytest.fixture
def version(acme: Any) -> list[str]:
    """A model, and a completed version of it without metrics."""
    model = RegisteredModel.objects.create(organization=acme, name="breast-cancer", task_type="classification")
    completed_version(model, number=3)
    return [model.pk, "ver-00003"]
