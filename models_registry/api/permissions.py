"""Permissions that do not depend on the requested data."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # DRF's settings import this module before its views
    from rest_framework.views import APIView


class DenyAll(BasePermission):
    """Denies every request. As the default, it closes views that declare no permission."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return False
