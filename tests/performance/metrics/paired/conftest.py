"""Predictions of two versions."""

from typing import Any

import numpy as np
import pytest

from tests.performance.metrics.paired.pairs import tables


@pytest.fixture
def two_classes(seeded: np.random.Generator) -> dict[str, Any]:
    """The scores and predictions of two versions for 80 examples of two classes, with ties."""
    actual = seeded.integers(0, 2, 80)
    common = actual + seeded.normal(0, 0.8, 80)
    scores = [1 / (1 + np.exp(-(common + seeded.normal(0, noise, 80)))) for noise in (0.3, 0.9)]
    return {"actual": actual, "scores": [np.round(score, 2) for score in scores]}


@pytest.fixture
def seeded() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def numbers(seeded: np.random.Generator) -> list[dict[str, Any]]:
    actual = seeded.normal(100, 20, 200)
    hard = seeded.normal(0, 10, 200)
    versions = [{"predicted": actual + hard + seeded.normal(bias, 3, 200)} for bias in (1, 4)]
    return tables(actual, *versions, weight=seeded.choice([0.5, 1.0, 2.0], 200))
