"""Viewsets of what belongs to an organization that the URL names."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

from models_registry.accounts.models import Organization
from models_registry.accounts.permissions import HasScope
from models_registry.accounts.scopes import Scope
from models_registry.api.errors import NotFoundError
from models_registry.api.viewsets import APIViewSet, wait_for_row
from models_registry.audit.context import acting_user

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

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do what is done inside in one transaction, in the caller's name."""
        with acting_user(self.account), super().writing():
            yield

    def find_target(self) -> Any:
        """Return the organization that the URL names. Raises what `get_organization` does."""
        return self.get_organization()

    def get_organization(self, *, lock: bool = False) -> Organization:
        """Return the organization that the URL names. Raises `NotFoundError` or `PermissionDenied`."""
        organization = self._organization()
        if lock:
            wait_for_row(organization)
            organization = self._organization()
        return organization

    def _organization(self) -> Organization:
        slug = self.kwargs["slug"]
        organizations = Organization.objects.with_permission(self.scope, self.account.pk)
        organization: Organization | None = organizations.filter(slug=slug).first() if _slug.fullmatch(slug) else None
        if organization is None:
            raise NotFoundError(f"There is no organization {slug[:40]!r}. Check the slug.")
        self.check_object_permissions(self.request, organization)
        return organization

    def refuse_narrowed(self) -> None:
        """Refuse a token that was narrowed to other scopes. Raises `PermissionDenied`."""
        self.check_object_permissions(self.request, _ANYTHING)
