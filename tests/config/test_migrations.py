"""The migrations lead to the tables that the models describe, and these speak to people."""

from itertools import chain

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.models import CheckConstraint

OURS = ("models_registry", "performance")


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", *OURS, check_changes=True, dry_run=True)


def test_a_form_says_in_words_what_a_constraint_forbids() -> None:
    models = chain.from_iterable(apps.get_app_config(name).get_models() for name in OURS)
    nameless = [
        constraint.name
        for model in models
        for constraint in model._meta.constraints
        if isinstance(constraint, CheckConstraint) and constraint.name in constraint.get_violation_error_message()
    ]
    assert not nameless
