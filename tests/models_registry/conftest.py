"""A staff user with few rights in the admin."""

import pytest
from django.contrib.auth.models import Permission

from models_registry.accounts.models import User
from tests.factories import new_user


@pytest.fixture
def staff(db: None) -> User:
    """Stan, a staff user who may view models and versions in the admin."""
    user = new_user("stan", is_staff=True)
    names = ["view_registeredmodel", "view_version"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user
