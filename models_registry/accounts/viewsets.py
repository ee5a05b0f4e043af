"""The base class of viewsets whose URL names an organization."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import ClassVar

from django.db.models import BigIntegerField, CharField

from models_registry.accounts.models import Organization
from models_registry.accounts.permissions import HasScope
from models_registry.accounts.scopes import Scope
from models_registry.api.errors import NotFoundError
from models_registry.api.viewsets import APIViewSet
from models_registry.api.writes import lock_row
from models_registry.audit.context import acting_user
from models_registry.db.prepared import Parameter, PreparedQuery, columns_of

_slug = re.compile(r"[-\w]{1,63}", re.ASCII)
_ANYTHING = SimpleNamespace(permitted=True)


class OrganizationScopedViewSet(APIViewSet):
    """Records of an organization. The caller needs the action's scope in it."""

    permission_classes = (HasScope,)
    scopes: ClassVar[dict[str, Scope]] = {}  # by action

    @property
    def scope(self) -> Scope:
        """The scope that the action needs."""
        return self.scopes[self.action]

    @property
    def is_superuser(self) -> bool:
        """Whether the caller needs neither a role nor a grant."""
        return bool(self.account.is_superuser)

    @contextmanager
    def audited_transaction(self) -> Iterator[None]:
        """Run the block in one transaction, and record the caller in the audit trail."""
        with acting_user(self.account), super().audited_transaction():
            yield

    def check_target(self) -> None:
        """Check that the organization exists and that the caller has the action's scope in it."""
        self.get_organization()

    def get_organization(self, *, lock: bool = False) -> Organization:
        """Return the organization that the URL names, locked until the transaction ends if `lock` is true.

        Raises `NotFoundError` or `PermissionDenied`.
        """
        organization = self._organization()
        if lock:
            lock_row(organization)
            organization = self._organization()
        return organization

    def _organization(self) -> Organization:
        slug = self.kwargs["slug"]
        organization: Organization | None = None
        if _slug.fullmatch(slug):
            organization = _organization(self.scope).first_instance(slug=slug, user=self.account.pk)
        if organization is None:
            raise NotFoundError(f"There is no organization {slug[:40]!r}. Check the slug.")
        self.check_object_permissions(self.request, organization)
        return organization

    def check_token_scopes(self) -> None:
        """Raise `PermissionDenied` if the token is limited to other scopes than the action's."""
        self.check_object_permissions(self.request, _ANYTHING)


@cache
def _organization(scope: Scope) -> PreparedQuery:
    """Return the query of an organization, and of whether a user has a scope in it."""
    named = Organization.objects.filter(slug=Parameter("slug", CharField()))
    permitted = named.with_permission(scope, Parameter("user", BigIntegerField()))
    return PreparedQuery(permitted.values(*columns_of(Organization), "permitted"))
