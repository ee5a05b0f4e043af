"""Who may log in, to the admin and with POST /auth/token."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser

from models_registry.accounts.models import User


class PeopleBackend(ModelBackend):
    """Lets people in by name and password, and no service account."""

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Say whether this user is active, and no service account."""
        return super().user_can_authenticate(user) and not (isinstance(user, User) and user.is_service_account)
