"""The authentication backend of the admin and of `POST /auth/token`."""

from allauth.mfa.models import Authenticator
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, OuterRef, Subquery

from models_registry.accounts.models import User


class PeopleBackend(ModelBackend):
    """Authenticates people by user name and password, but never a service account."""

    def get_user(self, user_id: int) -> User | None:
        """Return the user of a session. The same query fetches the ids of the second factors."""
        users = User.objects.annotate(  # type: ignore[no-redef]  # fills the caches of these properties
            authenticator_app_id=_authenticator_id(Authenticator.Type.TOTP),
            recovery_codes_id=_authenticator_id(Authenticator.Type.RECOVERY_CODES),
        )
        user = users.filter(pk=user_id).first()
        return user if self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Return whether the user is active and not a service account."""
        return super().user_can_authenticate(user) and not (isinstance(user, User) and user.is_service_account)

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Model | None = None) -> set[str]:
        """Return the user's Django permissions. They count for staff only: others have roles and grants."""
        return super().get_all_permissions(user_obj, obj) if user_obj.is_staff else set()


def _authenticator_id(kind: str) -> Subquery:
    return Subquery(Authenticator.objects.filter(user=OuterRef("pk"), type=kind).values("pk"))
