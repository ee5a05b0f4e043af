"""Permissions that depend on scopes."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request


class HasScope(IsAuthenticated):
    """Allows callers that have the action's scope on the requested object and in their token."""

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        self.message = f"You need the scope {view.scope} here: ask an admin of the organization."
        has_right = view.account.is_superuser or getattr(obj, "permitted", False)
        return bool(has_right and view.scope in view.caller.scopes)
