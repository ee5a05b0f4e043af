"""Permission classes that are not about one kind of data."""

from typing import Any

from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request


class Denied(BasePermission):
    """Denies: the default, so that a view which declares no permission is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


class HasScope(IsAuthenticated):
    """Allows a caller with the scope that the view's action needs, on what is asked for and in the token."""

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        self.message = f"You need the scope {view.scope} here: ask an admin of the organization."
        held = view.account.is_superuser or getattr(obj, "permitted", False)
        return bool(held and view.scope in view.caller.scopes)
