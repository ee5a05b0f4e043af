"""Organizations as queryset methods."""

from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef

from models_registry.accounts.scopes import Scope, roles_implying


class OrganizationQuerySet(models.QuerySet[Any]):
    """Organizations."""

    def permitting(self, scope: Scope, user: Any) -> Self:
        """Keep the organizations in which the role of `user` implies `scope`."""
        return self.with_permission(scope, user).filter(permitted=True)

    def with_permission(self, scope: Scope, user: Any) -> Self:
        """Annotate, as `permitted`, whether the role of `user` implies `scope`."""
        memberships = self.model._meta.get_field("memberships").related_model.objects
        implying = memberships.filter(organization=OuterRef("pk"), user=user, role__in=roles_implying(scope))
        return self.annotate(permitted=Exists(implying))
