"""The superuser's session."""

import pytest
from django.test import Client

from models_registry.accounts.models import User
from tests.admin_pages import logged_in


@pytest.fixture
def root(superuser: User) -> Client:
    """Log in as the superuser."""
    return logged_in(superuser)
