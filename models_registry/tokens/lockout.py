"""Protection of the login: lockouts after failures, slower guessing, and a limit on simultaneous logins."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address

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
LOGIN_LOCK_TIMEOUT = 2000  # milliseconds that a login waits for a database lock, the same as on PostgreSQL
FAMILIAR_LOGINS = 1000  # the newest successful logins of a user, whose networks count as familiar

_logins = Capacity(
    LOGIN_THREADS, "The service is busy with other logins. Try again after the seconds that Retry-After gives."
)


@contextmanager
def login_capacity() -> Iterator[None]:
    """Limit how many threads of the process log users in. The block contains the whole login and its writes.

    Raises `BusyError` if too many threads already do so.
    """
    with _logins.claim(), _short_lock_timeout():
        yield


@contextmanager
def _short_lock_timeout() -> Iterator[None]:
    """Make SQLite wait for a lock no longer than `LOGIN_LOCK_TIMEOUT`. PostgreSQL always does so."""
    if connection.vendor != "sqlite":
        yield
        return
    default = int(1000 * connection.settings_dict["OPTIONS"].get("timeout", 5))
    _set_busy_timeout(LOGIN_LOCK_TIMEOUT)
    try:
        yield
    finally:
        _set_busy_timeout(default)


def _set_busy_timeout(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds:d}")


def login_wait(request: HttpRequest) -> int:
    """Return how many seconds to wait after a refused login, or after a login that has just locked its user out."""
    return getattr(request, "login_wait", 0) or math.ceil(settings.AXES_COOLOFF_TIME.total_seconds())


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]  # the library is untyped
    """Locks a user out from one network after repeated failures, as axes does, and slows down guessing from many.

    After `ACCOUNT_FAILURE_LIMIT` failures for one user name from any networks, the service accepts one attempt for that
    name every `ACCOUNT_ATTEMPT_INTERVAL`. A refused attempt is not a failure and does not prolong the wait. Networks
    from which the user has logged in before are exempt.

    On other networks, the user competes with the attacker for that one attempt. If somebody guesses without a pause,
    the user may in practice be locked out on networks where they never logged in, until the guessing ends.
    """

    def is_allowed(self, request: HttpRequest, credentials: dict[str, str] | None = None) -> bool:
        """Return whether a login may be attempted now. Store the seconds to wait as `request.login_wait`."""
        locked = not super().is_allowed(request, credentials)
        wait = settings.AXES_COOLOFF_TIME if locked else self._wait_for_account(request, credentials)
        seconds = math.ceil(wait.total_seconds())
        request.login_wait = seconds  # type: ignore[attr-defined]
        return seconds == 0

    def _wait_for_account(self, request: HttpRequest, credentials: dict[str, str] | None) -> timedelta:
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
        """Lift the lockouts of an address or a user, or all, and return their number. Commands of axes call this."""
        conditions = {name: value for name, value in (("ip_address", ip_address), ("username", username)) if value}
        connector = Q.OR if ip_or_username else Q.AND
        return lift_lockouts(AccessAttempt.objects.filter(Q(**conditions, _connector=connector)))


def _is_familiar(username: str, network: str) -> bool:
    """Return whether one of the user's newest logins came from this network. Other requests do not count."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return False
    logins = AuditEntry.objects.filter(LOGINS, actor=user).order_by("-timestamp")
    addresses = set(logins.values_list("remote_addr", flat=True)[:FAMILIAR_LOGINS])
    return network in {network_of(ip_address(address)) for address in addresses if address}


def delete_failures(*, username: str, network: str) -> None:
    """Delete the failures that preceded a successful login. This lifts no lockout, so it is not audited."""
    AccessAttempt.objects.filter(username=username, ip_address=network).delete()


@transaction.atomic
def lift_lockouts(attempts: QuerySet[AccessAttempt]) -> int:
    """Delete failed logins, record each in the audit trail, and return their number."""
    locked = list(attempts.select_for_update())
    for attempt in locked:
        record_lifted_lockout(attempt)
    AccessAttempt.objects.filter(pk__in=[attempt.pk for attempt in locked]).delete()
    return len(locked)
