"""Failed logins: what they lock, what they slow down, and how much of a process they may take."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet, Sum
from django.http import HttpRequest

from models_registry.accounts.models import User
from models_registry.api.capacity import Capacity
from models_registry.api.client_address import network_of
from models_registry.audit.models import LOGINS, AuditEntry
from models_registry.audit.recorder import record_lifted_lockout

LOGIN_THREADS = 1  # of each process
LOGIN_LOCK_TIMEOUT = 2000  # milliseconds that a login waits for a lock; PostgreSQL's setting is as long
FAMILIAR_LOGINS = 1000  # how many of a user's newest successful logins say which networks are familiar

_logins = Capacity(
    LOGIN_THREADS, "The service is busy with other logins. Try again after the seconds that Retry-After gives."
)


@contextmanager
def login_capacity() -> Iterator[None]:
    """Do a whole login inside, its writes included, as one of the few threads that may.

    Raises `BusyError` if too many threads of the process are at it.
    """
    with _logins.claim(), _short_lock_timeout():
        yield


@contextmanager
def _short_lock_timeout() -> Iterator[None]:
    """Have SQLite wait for a lock no longer than `LOGIN_LOCK_TIMEOUT`; PostgreSQL does so anyway."""
    if connection.vendor != "sqlite":
        yield
        return
    usual = int(1000 * connection.settings_dict["OPTIONS"].get("timeout", 5))
    _set_busy_timeout(LOGIN_LOCK_TIMEOUT)
    try:
        yield
    finally:
        _set_busy_timeout(usual)


def _set_busy_timeout(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds:d}")


def login_wait(request: HttpRequest) -> int:
    """Return for how many seconds a login that was refused, or that has just locked its user out, must wait."""
    return getattr(request, "login_wait", 0) or math.ceil(settings.AXES_COOLOFF_TIME.total_seconds())


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]  # the library is untyped
    """Locks a user out from one network after repeated failures, as axes does, and slows down guessing from many.

    After `ACCOUNT_FAILURE_LIMIT` failures of one user name, wherever they came from, the service takes one attempt on
    that name every `ACCOUNT_ATTEMPT_INTERVAL`. A refused attempt is no failure and prolongs nothing. Networks
    from which the user has logged in before are exempt.

    A user on another network competes with the attacker for that one attempt. As long as somebody guesses without a
    pause, this may be in practice a lock for networks where the user never logged in; it ends with the guessing.
    """

    def is_allowed(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Say whether a login may be attempted now; leave the seconds to wait in `request.login_wait`."""
        locked = not super().is_allowed(request, credentials)
        wait = settings.AXES_COOLOFF_TIME if locked else self._wait_for_account(request, credentials)
        seconds = math.ceil(wait.total_seconds())
        request.login_wait = seconds  # type: ignore[attr-defined]
        return seconds == 0

    def _wait_for_account(self, request: HttpRequest, credentials: dict[str, Any] | None) -> timedelta:
        username = get_client_username(request, credentials)
        attempts = AccessAttempt.objects.filter(username=username, attempt_time__gte=get_cool_off_threshold(request))
        recent = attempts.aggregate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
        if (recent["failures"] or 0) < settings.ACCOUNT_FAILURE_LIMIT:
            return timedelta(0)
        wait = recent["last"] + settings.ACCOUNT_ATTEMPT_INTERVAL - request.axes_attempt_time  # type: ignore[attr-defined]
        if wait <= timedelta(0) or _is_familiar(username, request.axes_ip_address):  # type: ignore[attr-defined]
            return timedelta(0)
        return wait  # type: ignore[no-any-return]

    def reset_attempts(
        self, *, ip_address: str | None = None, username: str | None = None, ip_or_username: bool = False
    ) -> int:
        """Lift lockouts from an address, of a user, or all, as a command does; return how many."""
        given = {name: value for name, value in (("ip_address", ip_address), ("username", username)) if value}
        connector = Q.OR if ip_or_username else Q.AND
        return lift_lockouts(AccessAttempt.objects.filter(Q(**given, _connector=connector)))


def _is_familiar(username: str, network: str) -> bool:
    """Say whether one of the user's newest logins came from a network. What else the user does counts nothing."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return False
    logins = AuditEntry.objects.filter(LOGINS, actor=user).order_by("-timestamp")
    addresses = set(logins.values_list("remote_addr", flat=True)[:FAMILIAR_LOGINS])
    return network in {network_of(ip_address(address)) for address in addresses if address}


def forget_failures(*, username: str, network: str) -> None:
    """Forget the failures before a successful login. Nobody lifts a lockout so, and it leaves no row."""
    AccessAttempt.objects.filter(username=username, ip_address=network).delete()


@transaction.atomic
def lift_lockouts(attempts: QuerySet[Any]) -> int:
    """Forget failed logins, each with a row in the audit trail; return how many."""
    forgotten = list(attempts.select_for_update())
    for attempt in forgotten:
        record_lifted_lockout(attempt)
    AccessAttempt.objects.filter(pk__in=[attempt.pk for attempt in forgotten]).delete()
    return len(forgotten)
