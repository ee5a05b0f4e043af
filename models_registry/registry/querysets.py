"""Reads of one model each, as queryset methods."""

from typing import Any, Self

from django.db import models
from django.db.models import Exists, FilteredRelation, OuterRef, Q

from models_registry.accounts.scopes import Scope, roles_implying


class RegisteredModelQuerySet(models.QuerySet[Any]):
    """Registered models."""

    def permitting(self, scope: Scope, user: Any) -> Self:
        """Keep the models on which `user` holds `scope`, by a role in the organization or by a grant."""
        return self.annotate(
            own_membership=FilteredRelation(
                "organization__memberships", condition=Q(organization__memberships__user=user)
            ),
            own_grant=FilteredRelation("grants", condition=Q(grants__user=user, grants__scope=scope)),
        ).filter(Q(own_membership__role__in=roles_implying(scope)) | Q(own_grant__isnull=False))

    def with_permission(self, scope: Scope, user: Any) -> Self:
        """Annotate, as `permitted`, whether `user` holds `scope`."""
        permitting = self.model.objects.filter(pk=OuterRef("pk")).permitting(scope, user)
        return self.annotate(permitted=Exists(permitting))

    def with_state(self) -> Self:
        """Annotate the derived state, one of `RegisteredModel.State`."""
        states = self.model.State
        version: Any = self.model._meta.get_field("versions").related_model
        versions = version.objects.filter(model=OuterRef("pk"))
        return self.annotate(
            state=models.Case(
                models.When(archived_at__isnull=False, then=models.Value(states.ARCHIVED)),
                models.When(Exists(versions.filter(state=version.State.TRAINING)), then=models.Value(states.TRAINING)),
                models.When(Exists(versions.completed()), then=models.Value(states.READY)),
                default=models.Value(states.DRAFT),
                output_field=models.CharField(),
            )
        )


class VersionQuerySet(models.QuerySet[Any]):
    """Versions of registered models."""

    def completed(self) -> Self:
        """Keep the fully trained versions."""
        return self.filter(state=self.model.State.COMPLETED)

    def promoted(self) -> Self:
        """Keep the versions that their models have promoted."""
        return self.filter(promoted_in__isnull=False)

    def newest_first(self) -> Self:
        """Order by sequence number, newest first."""
        return self.order_by("-number")
