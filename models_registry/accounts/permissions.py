"""Permission classes that ask for a scope."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from models_registry.api.errors import NotAuthenticatedError, PermissionDeniedError


class HasScope(IsAuthenticated):
    """Allows a caller with the scope that the view's action needs, on what is asked for and in the token."""

    errors = (NotAuthenticatedError, PermissionDeniedError)

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        self.message = f"You need the scope {view.scope} here: ask an admin of the organization."
        held = view.account.is_superuser or getattr(obj, "permitted", False)
        return bool(held and view.scope in view.caller.scopes)
