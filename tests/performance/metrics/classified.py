"""Small tables of labels and scores of two and of three classes."""

from typing import Any

TWO: dict[str, Any] = {"actual": [0, 1, 1, 0, 1], "predicted": [0, 1, 0, 0, 1]}
OF_POSITIVE = [0.125, 0.75, 0.5, 0.625, 0.875]
OF_BOTH = {"score_0": [1 - score for score in OF_POSITIVE], "score_1": OF_POSITIVE}
THREE = {"actual": [0, 1, 2, 0, 1], "predicted": [0, 1, 2, 0, 2]}
OF_SEVERAL = {
    "score_0": [0.5, 0.25, 0.0, 0.75, 0.0],
    "score_1": [0.25, 0.5, 0.0, 0.25, 0.5],
    "score_2": [0.25, 0.25, 1.0, 0.0, 0.5],
}
