"""Query parameters with choices: the error names the choices."""

import pytest
from rest_framework.serializers import Serializer

from performance.badges.serializers import BadgeQuerySerializer
from performance.gates.serializers import GateQuerySerializer
from performance.model_cards.views import ModelCardQuerySerializer
from performance.snapshots.query_serializers import ConfusionMatrixQuerySerializer, HistoryQuerySerializer

SPLITS = "Must be one of train, validation, test."


@pytest.mark.parametrize(
    ("serializer_class", "name", "message"),
    [
        (BadgeQuerySerializer, "dataset_split", SPLITS),
        (HistoryQuerySerializer, "dataset_split", SPLITS),
        (ConfusionMatrixQuerySerializer, "normalize", "Must be one of actual, predicted, all."),
        (GateQuerySerializer, "format", "Must be one of json, junit, markdown, html."),
        (GateQuerySerializer, "enforce", "Must be true or false."),
        (ModelCardQuerySerializer, "format", "Must be one of markdown, html."),
    ],
)
def test_the_error_names_the_choices(serializer_class: type[Serializer[None]], name: str, message: str) -> None:
    serializer = serializer_class(data={name: "TEST"})
    assert not serializer.is_valid()
    assert serializer.errors[name] == [message]
