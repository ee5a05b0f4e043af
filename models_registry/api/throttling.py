"""How often a caller may ask."""

import time
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from models_registry.api.client_address import client_network
from models_registry.api.errors import ThrottledError


class WindowThrottle(SimpleRateThrottle):
    """Counts requests in windows of fixed length: one small counter for a caller, however high the rate.

    The library's own throttles keep a list of every request's time, which grows with the rate.
    """

    errors = (ThrottledError,)

    num_requests: int
    duration: int
    seconds_left: float

    def allow_request(self, request: HttpRequest | Request, view: Any) -> bool:
        """Count this request and say whether it is within the rate."""
        now = time.time()
        window = int(now // self.duration)
        self.seconds_left = (window + 1) * self.duration - now
        key = f"{self.get_cache_key(request, view)}:{window}"
        try:
            return bool(self.cache.incr(key) <= self.num_requests)
        except ValueError:  # the first request of the window
            return bool(self.cache.add(key, 1, self.duration) or self.allow_request(request, view))

    def wait(self) -> float:
        """Return the seconds until the next window."""
        return self.seconds_left

    def get_cache_key(self, request: HttpRequest | Request, view: Any) -> str:
        """Return what the count is kept under: the user, or the network of an anonymous caller."""
        ident = request.user.pk if request.user else client_network(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class CallerThrottle(WindowThrottle):
    """Bounds the requests of one user, or of one network without a token."""

    scope = "caller"


class LoginThrottle(WindowThrottle):
    """Bounds the logins from one network, whoever they are of."""

    scope = "login"

    def get_cache_key(self, request: HttpRequest | Request, view: Any) -> str:
        """Return what the count is kept under: the network."""
        return self.cache_format % {"scope": self.scope, "ident": client_network(request)}


class RefusalThrottle(LoginThrottle):
    """Bounds the requests from one network that are answered 401 or 403. It counts those alone."""

    scope = "refusal"


class DenialThrottle(LoginThrottle):
    """Bounds the denials of one network that the audit trail keeps, so that nobody can fill the disk with them."""

    scope = "denial"
