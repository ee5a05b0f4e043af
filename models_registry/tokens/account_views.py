"""The service accounts of an organization, and their tokens, over HTTP."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.serializers import BaseSerializer

from models_registry.accounts.models import ServiceAccount
from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import NotFoundError
from models_registry.api.lookups import get_or_404
from models_registry.api.viewsets import (
    CreateModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)
from models_registry.tokens import services
from models_registry.tokens.serializers import (
    NewNamedTokenSerializer,
    ServiceAccountChanges,
    ServiceAccountInput,
    ServiceAccountSerializer,
)
from models_registry.tokens.viewsets import NamedTokenViewSet


class AccountScopedViewSet(OrganizationScopedViewSet):
    """Service accounts of an organization, or records of one."""

    def check_target(self) -> None:
        """Check that what the URL names exists, and that the caller is an admin of the organization."""
        if "account" in self.kwargs:
            self.get_account()
        else:
            super().check_target()

    def get_account(self, *, lock: bool = False) -> ServiceAccount:
        """Return the service account that the URL names; `lock` locks its organization. Raises `NotFoundError`."""
        organization, username = self.get_organization(lock=lock), self.kwargs["account"]
        missing = NotFoundError(f"{organization.slug} has no service account {username[:40]!r}.")
        if "\0" in username:  # the database cannot hold it
            raise missing
        accounts = ServiceAccount.objects.with_role().filter(owner=organization)
        account: ServiceAccount = get_or_404(accounts, missing, username=username)
        return account


@extend_schema_view(
    list=extend_schema(
        operation_id="list_service_accounts",
        tags=["service accounts"],
        summary="List service accounts",
        description="Return the service accounts of an organization, by user name.",
    ),
    create=extend_schema(
        operation_id="create_service_account",
        tags=["service accounts"],
        summary="Create a service account",
        description=(
            "Create an account for a pipeline. It has no password and cannot log in: make a token for it. Give it a "
            "role in the organization, or grants on single models."
        ),
    ),
    retrieve=extend_schema(
        operation_id="get_service_account",
        tags=["service accounts"],
        summary="Get a service account",
        description="Return one service account.",
    ),
    partial_update=extend_schema(
        operation_id="update_service_account",
        tags=["service accounts"],
        summary="Change a service account",
        description="Change the role of a service account, or whether it is active. If not, its tokens are revoked.",
    ),
)
class ServiceAccountViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, AccountScopedViewSet
):
    """The accounts of an organization's pipelines, for its admins."""

    queryset = ServiceAccount.objects.with_role()
    serializer_class = ServiceAccountSerializer
    ordering = ("username",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "partial_update"), Scope.ORGANIZATION_ADMIN)
    errors = (NotFoundError,)
    input_serializers = {"create": ServiceAccountInput, "partial_update": ServiceAccountChanges}

    def get_queryset(self) -> QuerySet[ServiceAccount]:
        """Return the service accounts of the organization that the URL names."""
        return super().get_queryset().filter(owner=self.get_organization())

    def get_object(self, *, lock: bool = False) -> ServiceAccount:
        """Return the service account that the URL names."""
        return self.get_account(lock=lock)

    def perform_create(self, serializer: BaseSerializer[ServiceAccount]) -> None:
        values, owner = serializer.validated_data, self.get_organization(lock=True)
        username = f"{owner.slug}.{values['name']}"
        account = services.create_service_account(username=username, owner=owner, role=values.get("role"))
        serializer.instance = super().get_queryset().get(pk=account.pk)  # with its role

    def perform_update(self, serializer: Any) -> None:
        services.update_service_account(account=serializer.instance, **serializer.validated_data)
        serializer.instance = super().get_queryset().get(pk=serializer.instance.pk)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("service-account", args=[self.kwargs["slug"], data["username"]])}


@extend_schema_view(
    list=extend_schema(
        operation_id="list_service_account_tokens",
        tags=["service accounts"],
        summary="List a service account's tokens",
        description="Return the tokens of a service account, newest first, also those that were revoked.",
    ),
    create=extend_schema(
        operation_id="create_service_account_token",
        tags=["service accounts"],
        summary="Make a token for a service account",
        description=(
            "Make a token that a pipeline sends with each request. Only this response has the token.\n\n"
            "If the request is repeated with its `Idempotency-Key`, the token is null. If you lose the token, revoke "
            "it and make another."
        ),
        responses={201: NewNamedTokenSerializer},
    ),
    retrieve=extend_schema(
        operation_id="get_service_account_token",
        tags=["service accounts"],
        summary="Get a service account's token",
        description="Return what is known of one token, without the token itself.",
    ),
    destroy=extend_schema(
        operation_id="revoke_service_account_token",
        tags=["service accounts"],
        summary="Revoke a service account's token",
        description="Revoke a token. It is refused at once.",
    ),
)
class ServiceAccountTokenViewSet(NamedTokenViewSet, AccountScopedViewSet):
    """The tokens of a service account, for the admins of its organization."""

    errors = (NotFoundError,)

    def get_user(self, *, lock: bool = False) -> ServiceAccount:
        """Return the service account that the URL names."""
        return self.get_account(lock=lock)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        account = (self.kwargs["slug"], self.kwargs["account"])
        return self.new_token_headers(data, reverse("service-account-token", args=[*account, data["id"]]))
