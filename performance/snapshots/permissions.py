"""Who may read performance."""

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from models_registry.api.errors import NotAuthenticatedError, PermissionDeniedError
from performance.snapshots.selectors import SnapshotLookup


class CanReadPerformance(IsAuthenticated):
    """Allows callers who have `model:read` on the model, by a grant or by a role in its organization."""

    errors = (NotAuthenticatedError, PermissionDeniedError)
    message = "You need the scope model:read on this model: by a grant, or as a viewer of its organization."

    def has_object_permission(self, request: Request, view: APIView, obj: SnapshotLookup) -> bool:
        return obj.permitted


class CanReadBadge(CanReadPerformance):
    """Also allows whoever sends the signature of a badge. The view verifies the signature."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return "signature" in request.query_params or super().has_permission(request, view)
