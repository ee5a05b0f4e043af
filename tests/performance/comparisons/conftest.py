"""Models whose versions were evaluated on the same examples, in a storage of their own."""

from pathlib import Path

import pytest
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from performance.comparisons import services
from tests.api import Caller
from tests.performance.comparisons.compared import Compared
from tests.performance.evaluations.uploads import stored_in


@pytest.fixture
def own_storage(settings: Settings, tmp_path: Path) -> None:
    """Give each test a folder of its own for stored predictions."""
    stored_in(settings, tmp_path)


@pytest.fixture
def patient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request wait long, as the machine may be busy."""
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", 120.0)


@pytest.fixture
def tumours(
    acme: Organization, viewer: User, own_storage: None, patient_requests: None, capsys: pytest.CaptureFixture[str]
) -> Compared:
    """Two versions of a classifier."""
    return Compared(acme, "breast-cancer", "classification", Caller(viewer))


@pytest.fixture
def diabetes(
    acme: Organization, viewer: User, own_storage: None, patient_requests: None, capsys: pytest.CaptureFixture[str]
) -> Compared:
    """Two versions of a regressor."""
    return Compared(acme, "diabetes", "regression", Caller(viewer))
