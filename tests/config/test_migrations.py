"""The migrations lead to the tables that the models describe."""

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "models_registry", "performance", check_changes=True, dry_run=True)
