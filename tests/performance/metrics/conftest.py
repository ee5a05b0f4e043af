"""What tests of metrics share."""

import pytest

from performance.metrics.statistics import melding


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate intervals with few draws, for tests that need them to hold the value and no more."""
    monkeypatch.setattr(melding, "DRAWS", 40)
