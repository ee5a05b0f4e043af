"""Organizations and their members over HTTP."""

from typing import Any

from django.db.models import F
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from models_registry.accounts import services
from models_registry.accounts.models import Membership, Organization, User
from models_registry.accounts.scopes import Scope
from models_registry.accounts.serializers import (
    MemberChanges,
    MemberInput,
    MemberSerializer,
    OrganizationChanges,
    OrganizationInput,
    OrganizationSerializer,
)
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import InvalidBodyError, NotFoundError
from models_registry.api.etags import json_response


class OrganizationViewSet(OrganizationScopedViewSet):
    """Teams that own models, for their admins. Only a superuser makes one."""

    queryset = Organization.objects.all()
    serializer_class = OrganizationSerializer
    ordering = ("slug",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "partial_update"), Scope.ORGANIZATION_ADMIN)
    errors = dict.fromkeys(("retrieve", "partial_update"), (NotFoundError,))
    inputs = {"create": OrganizationInput, "partial_update": OrganizationChanges}

    @extend_schema(operation_id="list_organizations", tags=["organizations"], summary="List organizations")
    def list(self, request: Request) -> HttpResponse:
        """Return the organizations that the caller is an admin of, by slug."""
        return self.page(self._administered)

    def find_target(self) -> Any:
        """Return the organization that the URL names. Only a superuser may create one."""
        if self.action != "create":
            return super().find_target()
        if not self.everywhere:
            raise PermissionDenied("Only a superuser, with the scope organization:admin, creates an organization.")
        self.refuse_narrowed()
        return None

    @extend_schema(operation_id="create_organization", tags=["organizations"], summary="Create an organization")
    def create(self, request: Request) -> HttpResponse:
        """Create an organization, which then needs members. For superusers."""
        return self.once(lambda: self.created(services.create_organization(**self.body)))

    @extend_schema(operation_id="get_organization", tags=["organizations"], summary="Get an organization")
    def retrieve(self, request: Request, slug: str) -> HttpResponse:
        """Return one organization."""
        return self.show(self.get_organization())

    @extend_schema(operation_id="update_organization", tags=["organizations"], summary="Change an organization")
    def partial_update(self, request: Request, slug: str) -> HttpResponse:
        """Change an organization's name; its slug stays."""
        with self.writing():
            organization = self.get_organization(lock=True)
            return self.changed(
                organization, lambda: services.update_organization(organization=organization, **self.body)
            )

    def created(self, organization: Organization) -> HttpResponse:
        """Answer with a new organization."""
        location = reverse("organization", args=[organization.slug])
        return json_response(self.represent(organization), status=201, headers={"Location": location})

    def _administered(self) -> Any:
        self.refuse_narrowed()
        organizations: Any = self.get_queryset()
        return organizations if self.everywhere else organizations.permitting(self.scope, self.account.pk)


class MemberViewSet(OrganizationScopedViewSet):
    """Who belongs to an organization, and in which role; for its admins."""

    queryset = Membership.objects.select_related("user", "organization").annotate(username=F("user__username"))
    serializer_class = MemberSerializer
    ordering = ("username",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "partial_update", "destroy"), Scope.ORGANIZATION_ADMIN)
    errors = (NotFoundError,)
    inputs = {"create": MemberInput, "partial_update": MemberChanges}

    @extend_schema(operation_id="list_members", tags=["organizations"], summary="List members")
    def list(self, request: Request, slug: str) -> HttpResponse:
        """Return the members of an organization, by user name."""
        return self.page(lambda: self.get_queryset().filter(organization=self.get_organization()))

    @extend_schema(operation_id="add_member", tags=["organizations"], summary="Add a member")
    def create(self, request: Request, slug: str) -> HttpResponse:
        """Make a user a member of an organization."""
        return self.once(self._add)

    @extend_schema(operation_id="get_member", tags=["organizations"], summary="Get a member")
    def retrieve(self, request: Request, slug: str, username: str) -> HttpResponse:
        """Return one member."""
        return self.show(self._membership())

    @extend_schema(operation_id="update_member", tags=["organizations"], summary="Change a member's role")
    def partial_update(self, request: Request, slug: str, username: str) -> HttpResponse:
        """Give a member another role. The last admin keeps theirs."""
        with self.writing():
            membership = self._membership(lock=True)
            return self.changed(membership, lambda: services.change_role(membership=membership, **self.body))

    @extend_schema(operation_id="remove_member", tags=["organizations"], summary="Remove a member")
    def destroy(self, request: Request, slug: str, username: str) -> HttpResponse:
        """End a membership: what it implied is refused at once. The last admin stays."""
        with self.writing():
            membership = self._membership(lock=True)
            return self.removed(membership, lambda: services.remove_member(membership=membership))

    def _add(self) -> HttpResponse:
        organization = self.get_organization(lock=True)
        user = user_named(self.body["username"])
        return self.created(services.add_member(organization=organization, user=user, role=self.body["role"]))

    def created(self, membership: Membership) -> HttpResponse:
        """Answer with a new membership."""
        location = reverse("member", args=[membership.organization.slug, membership.user.username])
        return json_response(self.represent(membership), status=201, headers={"Location": location})

    def _membership(self, *, lock: bool = False) -> Membership:
        organization = self.get_organization(lock=lock)
        username = self.kwargs["username"]
        members = self.get_queryset().filter(organization=organization)
        membership: Membership | None = None if "\0" in username else members.filter(username=username).first()
        if membership is None:
            raise NotFoundError(f"{organization.slug} has no member {username[:40]!r}.")
        return membership


def user_named(username: str) -> User:
    """Return the active user of that name, who stays until the transaction ends. Raises `InvalidBodyError`."""
    user = User.objects.select_for_update(no_key=True).filter(username=username, is_active=True).first()
    if user is None:
        raise no_such("username", f"There is no active user {username[:40]!r}.")
    return user


def no_such(field: str, detail: str) -> InvalidBodyError:
    """Return the error of a body that names what is not there."""
    return InvalidBodyError("The body is not valid; `errors` says what and why.", [(field, "does_not_exist", detail)])
