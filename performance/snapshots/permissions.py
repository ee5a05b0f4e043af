"""Who may read performance."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from models_registry.api.errors import NotAuthenticatedError, PermissionDeniedError


class CanReadPerformance(IsAuthenticated):
    """Allows a caller with `model:read` on the model, by a grant or by a role in its organization."""

    errors = (NotAuthenticatedError, PermissionDeniedError)
    message = "You need the scope model:read on this model: by a grant, or as a viewer of its organization."

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return bool(obj.permitted)


class CanReadBadge(CanReadPerformance):
    """Allows whom `CanReadPerformance` does, and whoever sends the signature of a badge, which the view verifies."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return "signature" in request.query_params or super().has_permission(request, view)
