"""The authentication backend of the admin and of `POST /auth/token`."""

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model

from models_registry.accounts.models import User


class PeopleBackend(ModelBackend):
    """Authenticates people by user name and password, but never a service account."""

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Return whether the user is active and not a service account."""
        return super().user_can_authenticate(user) and not (isinstance(user, User) and user.is_service_account)

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Model | None = None) -> set[str]:
        """Return the user's Django permissions. They count for staff only: others have roles and grants."""
        return super().get_all_permissions(user_obj, obj) if user_obj.is_staff else set()
