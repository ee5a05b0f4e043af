"""A storage of its own for each test, in which only queued evaluations leave an upload."""

from pathlib import Path
from typing import Any

import pytest

from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from tests.performance.evaluations.uploads import stored_in, stored_uploads


@pytest.fixture
def finished_uploads_are_deleted(model: RegisteredModel, settings: Any, tmp_path: Path) -> Any:
    """Check that only queued evaluations have a stored upload."""
    stored_in(settings, tmp_path)
    yield
    assert len(stored_uploads()) == EvaluationJob.objects.filter(finished_at=None).count()
