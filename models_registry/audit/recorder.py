"""The audit trail: one row for each record written, in the write's own transaction, and one for each denial.

The rows of writes come from django-auditlog, which watches the models registered here as they are saved and deleted.
The change of a model's promoted version is in the row of the promotion, and has none of its own.
"""

import re
from datetime import datetime
from typing import Any

from auditlog.registry import auditlog
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Model

from models_registry.audit.denial_writer import denial_writer, store_denials
from models_registry.audit.models import AuditEntry

_origin = re.compile("https?://[^/?#]*", re.IGNORECASE)


def watch(
    model: type[Model], *, unwatched: tuple[str, ...] = (), masked: tuple[str, ...] = (), mask: str = "masked"
) -> None:
    """Have every write to a model leave a row, with the fields before and after, but for those that are not watched.

    Of a masked field only that it changed is told, and what `mask`, a function of this module by name, makes of it.
    Related records are watched on their own.
    """
    fields = [field.name for field in model._meta.concrete_fields if field.name not in unwatched]
    own: Any = model._meta.many_to_many
    sets = {field.name for field in own if field.remote_field.through._meta.auto_created}
    auditlog.register(
        model,
        include_fields=fields,
        mask_fields=list(masked),
        mask_callable=f"{__name__}.{mask}",
        m2m_fields=sets,
    )


def masked(value: str) -> str:
    """Return what stands in the trail for a secret: nothing of it."""
    return "***"


def masked_but_origin(value: str) -> str:
    """Return what stands in the trail for a secret, and for a URL whose path or query may be one: where it leads."""
    origin = _origin.match(value)
    return f"{origin[0]}/***" if origin else masked(value)


def record_denial(code: str, *, user: int | None) -> None:
    """Add a row for the request that is being denied, to a user if one is known.

    The row is written behind the answer: a refusal waits for no write.
    """
    entry = AuditEntry(action=AuditEntry.DENIED, actor_id=user, code=code)
    entry.describe_request()
    if settings.DENIALS_WRITTEN_BEHIND:
        denial_writer.add(entry)
    else:
        store_denials([entry])


def record_added(record: Model, what: str, before: int, after: int) -> None:
    """Add one row for many records that were stored at once below another, if there are any."""
    if after > before:
        AuditEntry.objects.log_create(record, action=AuditEntry.Action.UPDATE, changes={what: [before, after]})


def record_token(user: AbstractBaseUser, *, scope: str, until: datetime) -> None:
    """Add a row for an access token that an operator made for a user. The token itself is in no row."""
    told = f"{scope}, until {until:%Y-%m-%dT%H:%M:%SZ}"
    AuditEntry.objects.log_create(user, action=AuditEntry.Action.UPDATE, changes={"access token": [None, told]})


def record_login(*, user: AbstractBaseUser, **signal: Any) -> None:
    """Add a row for a login to the admin."""
    AuditEntry.objects.log_create(user, force_log=True, action=AuditEntry.LOGGED_IN)


def record_logout(*, user: AbstractBaseUser | None, **signal: Any) -> None:
    """Add a row for a logout from the admin, unless the session had ended already."""
    if user is not None:
        AuditEntry.objects.log_create(user, force_log=True, action=AuditEntry.LOGGED_OUT)


def record_lifted_lockout(attempt: Any) -> None:
    """Add a row for the failed logins that are about to be forgotten."""
    told = ("username", "ip_address", "failures_since_start")
    changes = {name: [getattr(attempt, name), None] for name in told}
    AuditEntry.objects.log_create(attempt, action=AuditEntry.Action.DELETE, changes=changes)
