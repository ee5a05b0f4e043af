"""A value that is none of the choices of a field: the error names the choices."""

import pytest
from rest_framework import serializers

from models_registry.api.fields import StrictSerializer


class OwnMessage(StrictSerializer):
    """Choices alone, in a list, and with a message of their own."""

    format = serializers.ChoiceField(["csv", "parquet"], required=False)
    scopes = serializers.ListField(
        child=serializers.ChoiceField([("read", "Read"), ("write", "Write")]), required=False
    )
    grants = serializers.DictField(child=serializers.ListField(child=serializers.ChoiceField(["read"])), required=False)
    switch = serializers.ChoiceField([("true", "on")], required=False, error_messages={"invalid_choice": "Say true."})


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"format": "exe"}, {"format": ["Must be one of csv, parquet."]}),
        ({"scopes": ["read", "all"]}, {"scopes": {1: ["Must be one of read, write."]}}),
        ({"grants": {"gil": ["all"]}}, {"grants": {"gil": {0: ["Must be one of read."]}}}),
        ({"switch": "yes"}, {"switch": ["Say true."]}),
    ],
)
def test_the_error_names_the_choices_unless_the_field_has_a_message(given: object, errors: object) -> None:
    serializer = OwnMessage(data=given)
    assert not serializer.is_valid()
    assert serializer.errors == errors
