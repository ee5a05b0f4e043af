"""Writes of organizations and their members."""

from django.db import transaction

from models_registry.accounts.models import Membership, Organization, User
from models_registry.accounts.scopes import Role
from models_registry.api.errors import ConflictError
from models_registry.api.writes import refusing_duplicates, save_changes


def create_organization(*, slug: str, name: str) -> Organization:
    """Store an organization, which has no members yet. Raises `ConflictError` when the slug is taken."""
    with refusing_duplicates(f"There is an organization {slug} already. Choose another slug."):
        return Organization.objects.create(slug=slug, name=name)


def update_organization(*, organization: Organization, **changes: str) -> Organization:
    """Change an organization's name; its slug stays."""
    return save_changes(organization, **changes)


def add_member(*, organization: Organization, user: User, role: str) -> Membership:
    """Make a user a member. Raises `ConflictError` when they are one already."""
    with refusing_duplicates(f"{user.username} is a member already. Change the role with PATCH instead."):
        return Membership.objects.create(organization=organization, user=user, role=role)


@transaction.atomic
def change_role(*, membership: Membership, role: str) -> Membership:
    """Give a member another role. Raises `ConflictError` when the last admin would lose theirs."""
    if role != Role.ADMIN:
        _keep_an_admin(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(*, membership: Membership) -> None:
    """End a membership. Raises `ConflictError` for that of the last admin."""
    _keep_an_admin(membership)
    membership.delete()


def _keep_an_admin(membership: Membership) -> None:
    """Refuse to take the role from an organization's only admin, as nobody could then give it to another."""
    admins = (
        membership.organization.memberships.select_for_update(of=["self"])
        .filter(role=Role.ADMIN, user__is_active=True)
        .order_by("pk")
    )
    if [admin.pk for admin in admins] == [membership.pk]:
        raise ConflictError(
            f"{membership.user.username} is the only admin of {membership.organization.slug}. Make another one first."
        )
