"""Queries of registered models and versions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Exists, Expression, FilteredRelation, OuterRef, Q

from models_registry.accounts.scopes import Scope, roles_implying

if TYPE_CHECKING:
    from models_registry.registry.models import RegisteredModel, Version  # noqa: F401  # name the base classes


class RegisteredModelQuerySet(models.QuerySet[Any]):  # whose filters know the annotation `state`
    """Adds permission filters and the derived state to queries of models."""

    def permitting(self, scope: Scope, user_id: int | Expression) -> Self:
        """Keep the models on which the user has the scope, by a role in the organization or by a grant."""
        return self.annotate(
            own_membership=FilteredRelation(
                "organization__memberships", condition=Q(organization__memberships__user=user_id)
            ),
            own_grant=FilteredRelation("grants", condition=Q(grants__user=user_id, grants__scope=scope)),
        ).filter(Q(own_membership__role__in=roles_implying(scope)) | Q(own_grant__isnull=False))

    def keys_permitting(self, scope: Scope, user_id: int | None) -> "models.QuerySet[RegisteredModel, object]":
        """Return the keys of the models that `permitting` keeps, as a subquery for the records of these models.

        Each half reads an index. PostgreSQL would estimate the joins of `permitting` at all models, and look at each.
        """
        roles = roles_implying(scope)
        of_role = self.filter(organization__memberships__user=user_id, organization__memberships__role__in=roles)
        granted = self.filter(grants__user=user_id, grants__scope=scope)
        return of_role.order_by().values("pk").union(granted.order_by().values("pk"))

    def with_permission(self, scope: Scope, user_id: int | Expression) -> Self:
        """Annotate as `permitted` whether the user has the scope on the model."""
        permitted = self.model.objects.filter(pk=OuterRef("pk")).permitting(scope, user_id)
        return self.annotate(permitted=Exists(permitted))

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

    def with_words(self, words: Iterable[str]) -> Self:
        """Keep the models that have each word in their name or id, in any case."""
        found = self
        for word in words:
            found = found.filter(Q(name__icontains=word) | Q(model_id__icontains=word))
        return found


class VersionQuerySet(models.QuerySet["Version"]):
    """Adds filters by state and promotion to queries of versions."""

    def completed(self) -> Self:
        """Keep the fully trained versions."""
        return self.filter(state=self.model.State.COMPLETED)

    def promoted(self) -> Self:
        """Keep the promoted versions."""
        return self.filter(promoted_in__isnull=False)

    def newest_first(self) -> Self:
        """Order by sequence number, the newest first."""
        return self.order_by("-number")
