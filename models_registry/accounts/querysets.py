"""Queries of organizations."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Exists, Expression, OuterRef

from models_registry.accounts.scopes import Scope, roles_implying

if TYPE_CHECKING:
    from models_registry.accounts.models import Organization  # noqa: F401  # names the base class


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Adds permission filters to queries of organizations."""

    def permitting(self, scope: Scope, user_id: int) -> Self:
        """Keep the organizations in which the user's role implies the scope."""
        return self.with_permission(scope, user_id).filter(permitted=True)

    def keys_permitting(self, scope: Scope, user_id: int) -> "models.QuerySet[Organization, object]":
        """Return the keys of the organizations that `permitting` keeps, as a subquery for their records."""
        return self.permitting(scope, user_id).order_by().values("pk")

    def with_permission(self, scope: Scope, user_id: int | Expression) -> Self:
        """Annotate as `permitted` whether the user's role implies the scope."""
        memberships = self.model._meta.get_field("memberships").related_model._default_manager.filter(
            organization=OuterRef("pk"), user=user_id, role__in=roles_implying(scope)
        )
        return self.annotate(permitted=Exists(memberships))
