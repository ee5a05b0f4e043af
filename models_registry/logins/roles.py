"""The roles that follow from a person's groups at the OpenID provider."""

import logging
from collections.abc import Collection

from django.db import transaction

from models_registry.accounts.locks import lock_organization
from models_registry.accounts.models import Organization, User
from models_registry.accounts.scopes import Role
from models_registry.accounts.services import add_member, change_role, remove_member
from models_registry.api.errors import ConflictError
from models_registry.audit.context import acting_user
from models_registry.logins.claims import roles_of
from models_registry.logins.provider import Roles

log = logging.getLogger(__name__)


@transaction.atomic
def follow_groups(*, user: User, groups: Collection[str], roles: Roles) -> None:
    """Give the user the roles of their groups, in the organizations of the mapping alone.

    In these, the groups decide: a role that no group gives ends. The last admin of an organization stays.
    """
    given = roles_of(groups, roles)
    with acting_user(user):
        for organization in Organization.objects.filter(slug__in=given).order_by("pk"):
            lock_organization(organization.pk)
            _set_role(user, organization, given.pop(organization.slug))
    if given:
        log.warning("OIDC_LOGIN_ROLES names organizations that do not exist: %s.", ", ".join(sorted(given)))


def _set_role(user: User, organization: Organization, role: Role | None) -> None:
    membership = user.memberships.select_related("organization", "user").filter(organization=organization).first()
    try:
        if membership is None and role is not None:
            add_member(organization=organization, user=user, role=role)
        elif membership is not None and role is None:
            remove_member(membership=membership)
        elif membership is not None and role is not None and membership.role != role:
            change_role(membership=membership, role=role)
    except ConflictError as error:
        log.warning("A login did not change a role: %s", error.detail)
