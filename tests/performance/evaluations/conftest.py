"""A storage of its own for each test, in which only queued evaluations leave an upload."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from tests.performance.evaluations.uploads import stored_in, stored_uploads


@pytest.fixture
def _storage_of_its_own(model: RegisteredModel, settings: Any, tmp_path: Path) -> None:
    stored_in(settings, tmp_path)


@pytest.fixture
def finished_uploads_are_deleted(_storage_of_its_own: None) -> Iterator[None]:
    """Check that only queued evaluations have a stored upload."""
    yield
    assert len(stored_uploads()) == EvaluationJob.objects.filter(finished_at=None).count()
