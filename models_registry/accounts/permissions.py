"""Permissions that depend on scopes."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from models_registry.api.errors import NotAuthenticatedError, PermissionDeniedError


class HasScope(IsAuthenticated):
    """Allows a caller who has the action's scope on the object, with a token that is not limited to other scopes."""

    errors = (NotAuthenticatedError, PermissionDeniedError)

    def has_object_permission(self, request: Request, view: Any, obj: object) -> bool:
        self.message = f"You need the scope {view.scope} here: ask an admin of the organization."
        permitted = view.is_superuser or getattr(obj, "permitted", False)
        return bool(permitted and view.scope in request.user.scopes)  # type: ignore[union-attr]
