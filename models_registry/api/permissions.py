"""Permission classes that are not about one kind of data."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Denied(BasePermission):
    """Denies: the default, so that a view which declares no permission is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False
