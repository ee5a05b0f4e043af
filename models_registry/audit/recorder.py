"""Records writes, denials and logins in the audit trail.

django-auditlog adds a row when a record of an audited model is saved or deleted, in the transaction of the write.
A change of a model's promoted version is part of the promotion's row and has no row of its own.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import cast

from auditlog.registry import auditlog
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import ManyToManyField, Model

from models_registry.audit.denial_writer import denial_writer, store_denials
from models_registry.audit.models import AuditEntry

_origin = re.compile("https?://[^/?#]*", re.IGNORECASE)


def mask_all(value: str) -> str:
    """Return a placeholder for a secret."""
    return "***"


def mask_after_origin(value: str) -> str:
    """Return a URL's origin without its path and query, which may be secret, or a placeholder for another secret."""
    origin = _origin.match(value)
    return f"{origin[0]}/***" if origin else mask_all(value)


def audit_model(
    model: type[Model],
    *,
    exclude_fields: Collection[str] = (),
    mask_fields: Collection[str] = (),
    mask: Callable[[str], str] = mask_all,
) -> None:
    """Record every write to a model, with the values of its fields before and after.

    Args:
        model: the model. Related models need calls of their own.
        exclude_fields: the fields whose changes are not recorded.
        mask_fields: the fields whose values are secret. Their rows hold masked values.
        mask: a function of this module that masks a value.
    """
    fields = [field.name for field in model._meta.concrete_fields if field.name not in exclude_fields]
    relations = cast("list[ManyToManyField[Model, Model]]", model._meta.many_to_many)
    m2m_fields = {
        field.name for field in relations if (through := field.remote_field.through) and through._meta.auto_created
    }
    auditlog.register(
        model,
        include_fields=fields,
        mask_fields=list(mask_fields),
        mask_callable=f"{__name__}.{mask.__name__}",
        m2m_fields=m2m_fields,
    )


def record_denial(code: str, *, user: int | None) -> None:
    """Add a row for the request that is being denied, with the user's id if it is known.

    A background thread writes the row, so that the response does not wait for it.
    """
    entry = AuditEntry(action=AuditEntry.DENIED, actor_id=user, code=code)
    entry.describe_request()
    if settings.DENIALS_WRITTEN_BEHIND:
        denial_writer.add(entry)
    else:
        store_denials([entry])


def record_added(record: Model, name: str, before: int, after: int) -> None:
    """Add one row for related records that were stored at once, with their number before and after, if it grew."""
    if after > before:
        AuditEntry.objects.log_create(record, action=AuditEntry.Action.UPDATE, changes={name: [before, after]})


def record_token(user: AbstractBaseUser, *, scope: str, until: datetime) -> None:
    """Add a row for an access token that an operator created for a user. It does not contain the token itself."""
    description = f"{scope}, until {until:%Y-%m-%dT%H:%M:%SZ}"
    AuditEntry.objects.log_create(user, action=AuditEntry.Action.UPDATE, changes={"access token": [None, description]})


def record_login(*, user: AbstractBaseUser, **kwargs: object) -> None:
    """Add a row for a login to the admin. Receives a signal."""
    AuditEntry.objects.log_create(user, force_log=True, action=AuditEntry.LOGGED_IN)


def record_logout(*, user: AbstractBaseUser | None, **kwargs: object) -> None:
    """Add a row for a logout from the admin, unless the session has already ended. Receives a signal."""
    if user is not None:
        AuditEntry.objects.log_create(user, force_log=True, action=AuditEntry.LOGGED_OUT)


def record_lifted_lockout(attempt: AccessAttempt) -> None:
    """Add a row for failed logins that are about to be deleted."""
    names = ("username", "ip_address", "failures_since_start")
    changes = {name: [getattr(attempt, name), None] for name in names}
    AuditEntry.objects.log_create(attempt, action=AuditEntry.Action.DELETE, changes=changes)
