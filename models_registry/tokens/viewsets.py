"""The base class of viewsets of a user's named tokens."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.serializers import BaseSerializer

from models_registry.accounts.models import User
from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import ConflictError, NotFoundError
from models_registry.api.etags import json_response
from models_registry.api.lookups import get_or_404
from models_registry.api.viewsets import CreateModelMixin, DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from models_registry.tokens.models import NamedToken
from models_registry.tokens.serializers import NamedTokenInput, NamedTokenSerializer, NewNamedTokenSerializer
from models_registry.tokens.services import create_named_token, revoke_named_token


class NamedTokenViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, DestroyModelMixin, OrganizationScopedViewSet
):
    """Lists, makes and revokes the named tokens of the user that `get_user` returns."""

    queryset = NamedToken.objects.select_related("created_by")
    serializer_class = NamedTokenSerializer
    ordering = ("-created_at", "-pk")
    scopes = dict.fromkeys(("list", "create", "retrieve", "destroy"), Scope.ORGANIZATION_ADMIN)
    input_serializers = {"create": NamedTokenInput}
    shown_once = ("token",)

    def get_user(self, *, lock: bool = False) -> User:
        """Return the user whose tokens these are; `lock` keeps others from making tokens meanwhile."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[NamedToken]:
        """Return the tokens of the user."""
        return super().get_queryset().filter(user=self.get_user())

    def get_object(self, *, lock: bool = False) -> NamedToken:
        """Return the token that the URL names. Raises `NotFoundError`."""
        tokens = super().get_queryset().filter(user=self.get_user(lock=lock))
        token: NamedToken = get_or_404(
            tokens,
            NotFoundError("There is no such token. The tokens are listed."),
            pk=_parse_id(self.kwargs["token_id"]),
        )
        return token

    def get_response_serializer(self, record: NamedToken) -> BaseSerializer[NamedToken]:
        """Return the serializer of the response: only a new token is shown itself."""
        return NewNamedTokenSerializer(record) if self.action == "create" else super().get_response_serializer(record)

    def perform_create(self, serializer: BaseSerializer[NamedToken]) -> None:
        content = dict(serializer.validated_data)
        user = self.get_user(lock=True)
        if not user.is_active:
            raise ConflictError(f"{user} is not active. Activate it first.")
        lifetime = timedelta(days=content.pop("lifetime_days"))
        named, access = create_named_token(user=user, lifetime=lifetime, created_by=self.account, **content)
        named.token = str(access)  # type: ignore[attr-defined]  # for the one response that shows it
        serializer.instance = named

    def perform_destroy(self, instance: NamedToken) -> None:
        revoke_named_token(token=instance)

    def new_token_headers(self, data: Mapping[str, object], location: str) -> dict[str, str]:
        """Return the location of a new token, and its ETag, which is that of what is shown later."""
        shown = {name: value for name, value in data.items() if name not in self.shown_once}
        return {"Location": location, "ETag": json_response(shown)["ETag"]}


def _parse_id(text: str) -> UUID:
    """Return the id in a URL. Text that is not an id gives the nil UUID, which no row has."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
