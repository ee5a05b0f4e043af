"""The admin's form of a model."""

from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator

from models_registry.api.fields import MAX_TEXT, NAME_VALIDATORS
from models_registry.registry.models import RegisteredModel

_VALIDATORS = {"name": NAME_VALIDATORS, "description": (MaxLengthValidator(MAX_TEXT),)}


class RegisteredModelForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A model, validated as over HTTP."""

    class Meta:
        model = RegisteredModel
        fields = ("name", "organization", "task_type", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _VALIDATORS.keys() & self.fields.keys():
            self.fields[name].validators.extend(_VALIDATORS[name])
