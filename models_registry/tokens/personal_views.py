"""The caller's own tokens over HTTP."""

from collections.abc import Mapping

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import PermissionDenied

from models_registry.accounts.models import User
from models_registry.api.errors import NotFoundError
from models_registry.tokens.jwt import Caller
from models_registry.tokens.serializers import NewNamedTokenSerializer
from models_registry.tokens.viewsets import NamedTokenViewSet


@extend_schema_view(
    list=extend_schema(
        operation_id="list_personal_tokens",
        tags=["authentication"],
        summary="List your tokens",
        description="Return the tokens that the caller has made, newest first, also those that were revoked.",
    ),
    create=extend_schema(
        operation_id="create_personal_token",
        tags=["authentication"],
        summary="Make a token for yourself",
        description=(
            "Make a token for your own scripts. Only this response has the token. It needs a login: no token that was "
            "made here makes others, nor does one that is limited to scopes.\n\n"
            "If the request is repeated with its `Idempotency-Key`, the token is null."
        ),
        responses={201: NewNamedTokenSerializer},
    ),
    retrieve=extend_schema(
        operation_id="get_personal_token",
        tags=["authentication"],
        summary="Get one of your tokens",
        description="Return what is known of one token, without the token itself.",
    ),
    destroy=extend_schema(
        operation_id="revoke_personal_token",
        tags=["authentication"],
        summary="Revoke one of your tokens",
        description="Revoke a token. It is refused at once.",
    ),
)
class PersonalTokenViewSet(NamedTokenViewSet):
    """The tokens of the person who calls."""

    errors = dict.fromkeys(("retrieve", "destroy"), (NotFoundError,))

    def check_target(self) -> None:
        """Check that the caller is a person who has logged in. Raises `PermissionDenied`."""
        self.check_token_scopes()
        caller: Caller = self.request.user  # type: ignore[assignment]  # BearerAuthentication's
        if caller.is_named:
            raise PermissionDenied("A personal or service account's token makes no other tokens. Log in instead.")

    def get_user(self, *, lock: bool = False) -> User:
        """Return the caller. Raises `PermissionDenied`, also for a service account that wants to write."""
        self.check_target()
        user: User = self.account
        if not lock:
            return user
        user = User.objects.get(pk=self.account.pk)
        if user.is_service_account:
            raise PermissionDenied("The admins of its organization make and revoke a service account's tokens.")
        return user

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return self.new_token_headers(data, reverse("personal-token", args=[data["id"]]))
