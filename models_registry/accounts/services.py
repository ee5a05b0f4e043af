"""Writes to organizations and their members."""

from django.db import transaction

from models_registry.accounts.models import Membership, Organization, User
from models_registry.accounts.scopes import Role
from models_registry.api.errors import ConflictError
from models_registry.api.writes import refusing_duplicates, save_changes


def create_organization(*, slug: str, name: str) -> Organization:
    """Create an organization without members. Raises `ConflictError` if the slug is in use."""
    with refusing_duplicates(f"There is an organization {slug} already. Choose another slug."):
        return Organization.objects.create(slug=slug, name=name)


def update_organization(*, organization: Organization, **changes: str) -> Organization:
    """Update an organization's name. Its slug cannot change."""
    return save_changes(organization, **changes)


def add_member(*, organization: Organization, user: User, role: str) -> Membership:
    """Make a user a member. Raises `ConflictError` if the user already is one."""
    with refusing_duplicates(f"{user.username} is a member already. Change the role with PATCH instead."):
        return Membership.objects.create(organization=organization, user=user, role=role)


@transaction.atomic
def change_role(*, membership: Membership, role: str) -> Membership:
    """Change a member's role. Raises `ConflictError` if the organization would have no admin left."""
    if role != Role.ADMIN:
        _check_not_last_admin(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(*, membership: Membership) -> None:
    """Delete a membership. Raises `ConflictError` if it belongs to the last admin."""
    _check_not_last_admin(membership)
    membership.delete()


def _check_not_last_admin(membership: Membership) -> None:
    """Raise `ConflictError` if the member is the only active admin: nobody else could appoint another admin."""
    admins = (
        membership.organization.memberships.select_for_update(of=["self"])
        .filter(role=Role.ADMIN, user__is_active=True)
        .order_by("pk")
    )
    if [admin.pk for admin in admins] == [membership.pk]:
        raise ConflictError(
            f"{membership.user.username} is the only admin of {membership.organization.slug}. Make another one first."
        )
