"""Organizations and their members over HTTP."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import PermissionDenied
from rest_framework.serializers import BaseSerializer

from models_registry.accounts import services
from models_registry.accounts.models import Membership, Organization
from models_registry.accounts.scopes import Scope
from models_registry.accounts.selectors import lock_active_user
from models_registry.accounts.serializers import (
    MemberChanges,
    MemberInput,
    MemberSerializer,
    OrganizationChanges,
    OrganizationInput,
    OrganizationSerializer,
)
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import NotFoundError
from models_registry.api.lookups import get_or_404
from models_registry.api.viewsets import (
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)


@extend_schema_view(
    list=extend_schema(
        operation_id="list_organizations",
        tags=["organizations"],
        summary="List organizations",
        description="Return the organizations that the caller is an admin of, by slug.",
    ),
    create=extend_schema(
        operation_id="create_organization",
        tags=["organizations"],
        summary="Create an organization",
        description="Create an organization, which then needs members. For superusers.",
    ),
    retrieve=extend_schema(
        operation_id="get_organization",
        tags=["organizations"],
        summary="Get an organization",
        description="Return one organization.",
    ),
    partial_update=extend_schema(
        operation_id="update_organization",
        tags=["organizations"],
        summary="Change an organization",
        description="Change an organization's name; its slug stays.",
    ),
)
class OrganizationViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, OrganizationScopedViewSet
):
    """Teams that own models, for their admins. Only a superuser creates one."""

    queryset = Organization.objects.all()
    serializer_class = OrganizationSerializer
    ordering = ("slug",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "partial_update"), Scope.ORGANIZATION_ADMIN)
    errors = dict.fromkeys(("retrieve", "partial_update"), (NotFoundError,))
    input_serializers = {"create": OrganizationInput, "partial_update": OrganizationChanges}

    def check_target(self) -> None:
        """Check that the organization is the caller's to change. Only a superuser creates one."""
        if self.action != "create":
            super().check_target()
        elif self.is_superuser:
            self.check_token_scopes()
        else:
            raise PermissionDenied("Only a superuser, with the scope organization:admin, creates an organization.")

    def get_queryset(self) -> QuerySet[Organization]:
        """Return the organizations that the caller is an admin of: all for a superuser."""
        self.check_token_scopes()
        return self.queryset.all() if self.is_superuser else self.queryset.permitting(self.scope, self.account.pk)

    def get_object(self, *, lock: bool = False) -> Organization:
        """Return the organization that the URL names."""
        return self.get_organization(lock=lock)

    def perform_create(self, serializer: BaseSerializer[Organization]) -> None:
        serializer.instance = services.create_organization(**serializer.validated_data)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.update_organization(
            organization=serializer.instance, **serializer.validated_data
        )

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("organization", args=[data["slug"]])}


@extend_schema_view(
    list=extend_schema(
        operation_id="list_members",
        tags=["organizations"],
        summary="List members",
        description="Return the members of an organization, by user name.",
    ),
    create=extend_schema(
        operation_id="add_member",
        tags=["organizations"],
        summary="Add a member",
        description="Make a user a member of an organization.",
    ),
    retrieve=extend_schema(
        operation_id="get_member", tags=["organizations"], summary="Get a member", description="Return one member."
    ),
    partial_update=extend_schema(
        operation_id="update_member",
        tags=["organizations"],
        summary="Change a member's role",
        description="Give a member another role. The last admin of an organization cannot be demoted.",
    ),
    destroy=extend_schema(
        operation_id="remove_member",
        tags=["organizations"],
        summary="Remove a member",
        description="Remove a member, who loses the rights of the role at once. The last admin cannot be removed.",
    ),
)
class MemberViewSet(
    ListModelMixin,
    CreateModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    DestroyModelMixin,
    OrganizationScopedViewSet,
):
    """The members of an organization and their roles, for its admins."""

    queryset = Membership.objects.select_related("user", "organization").annotate(username=F("user__username"))
    serializer_class = MemberSerializer
    ordering = ("username",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "partial_update", "destroy"), Scope.ORGANIZATION_ADMIN)
    errors = (NotFoundError,)
    input_serializers = {"create": MemberInput, "partial_update": MemberChanges}

    def get_queryset(self) -> QuerySet[Membership]:
        """Return the members of the organization that the URL names."""
        return super().get_queryset().filter(organization=self.get_organization())

    def get_object(self, *, lock: bool = False) -> Membership:
        """Return the member that the URL names; `lock` locks the organization. Raises `NotFoundError`."""
        organization, username = self.get_organization(lock=lock), self.kwargs["username"]
        members = super().get_queryset().filter(organization=organization)
        missing = NotFoundError(f"{organization.slug} has no member {username[:40]!r}.")
        if "\0" in username:  # the database cannot hold it
            raise missing
        membership: Membership = get_or_404(members, missing, username=username)
        return membership

    def perform_create(self, serializer: BaseSerializer[Membership]) -> None:
        organization = self.get_organization(lock=True)
        user = lock_active_user(serializer.validated_data["username"])
        role = serializer.validated_data["role"]
        serializer.instance = services.add_member(organization=organization, user=user, role=role)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.change_role(membership=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: Membership) -> None:
        services.remove_member(membership=instance)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("member", args=[self.kwargs["slug"], data["username"]])}
