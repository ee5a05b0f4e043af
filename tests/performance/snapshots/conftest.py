"""Who reads and who writes the model's metrics."""

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller
from tests.conftest import authenticated


@pytest.fixture
def reader(viewer: User) -> Client:
    """A client of Vera, who may read the model."""
    return authenticated(viewer)


@pytest.fixture
def ed(editor: User, model: RegisteredModel) -> Caller:
    """Ed, who reports metrics of the model."""
    return Caller(editor)
