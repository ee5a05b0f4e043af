"""Limits on the rate of requests, logins and denials."""

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from models_registry.api.client_address import client_network
from models_registry.api.errors import ThrottledError

if TYPE_CHECKING:  # DRF's settings import this module before its views
    from rest_framework.views import APIView


class WindowThrottle(SimpleRateThrottle):
    """Counts requests in fixed windows. It stores one small counter for each caller.

    DRF's throttles store a list of the times of all requests, which grows with the rate.
    """

    errors = (ThrottledError,)

    num_requests: int
    duration: int
    seconds_left: float

    def parse_rate(self, rate: str | None) -> tuple[int | None, int | None]:
        """Return the number of requests and the seconds in a rate such as `60/minute`."""
        return _parse_rate(rate)

    def allow_request(self, request: HttpRequest | Request, view: "APIView | None") -> bool:
        """Count a request and return whether it is within the rate."""
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

    def get_cache_key(self, request: HttpRequest | Request, view: "APIView | None") -> str:
        """Return the cache key of the counter: by user, or by network if the caller is anonymous."""
        ident = request.user.pk if request.user else client_network(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}


class CallerThrottle(WindowThrottle):
    """Limits the requests of one user, or of one network if the caller is anonymous."""

    scope = "caller"


class LoginThrottle(WindowThrottle):
    """Limits the logins from one network, for all users together."""

    scope = "login"

    def get_cache_key(self, request: HttpRequest | Request, view: "APIView | None") -> str:
        """Return the cache key of the counter, by network."""
        return self.cache_format % {"scope": self.scope, "ident": client_network(request)}


class RefusalThrottle(LoginThrottle):
    """Limits the requests from one network with a 401 or 403 response. It counts no other requests."""

    scope = "refusal"


class DenialThrottle(LoginThrottle):
    """Limits the denials of one network that the audit trail records, so that nobody can fill the disk with them."""

    scope = "denial"


@lru_cache
def _parse_rate(rate: str | None) -> tuple[int | None, int | None]:
    return SimpleRateThrottle.parse_rate(None, rate)  # type: ignore[arg-type]  # it needs no instance
