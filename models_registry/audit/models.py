"""The table of the audit trail."""

from typing import Any

from auditlog.cid import get_cid
from auditlog.models import AbstractLogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

from models_registry.api.client_address import client_address
from models_registry.audit.context import current_request, current_user, escape_controls

# The rows of successful logins: to the admin, and for a token by a user's name and password.
LOGINS = models.Q(action=5) | models.Q(action=0, path="/api/v1/auth/token")


class AuditEntry(AbstractLogEntry):  # type: ignore[misc]  # the library is untyped
    """A written record, a denied request, or a login to the admin: who, what, from where, before and after.

    The database refuses to change a row, and to delete one except when `purge` deletes an old one: see the migrations
    `audit_trail_append_only` and `audit_trail_retention`. So rows outlive the users and kinds of records that they
    name. Only the owner of the table can empty it, by `TRUNCATE`.

    The table may have millions of rows. Each look-up needs an index that begins with its column and ends with the
    timestamp, so that the newest rows come first without sorting.
    """

    DENIED, LOGGED_IN, LOGGED_OUT = 4, 5, 6
    MAX_RECORD = 255  # characters of the record's name; the index of a text takes no more than 2,700 bytes
    ACTIONS = [
        (0, "create"),
        (1, "update"),
        (2, "delete"),
        (DENIED, "denied"),
        (LOGGED_IN, "logged in"),
        (LOGGED_OUT, "logged out"),
    ]

    serialized_data = models.JSONField(null=True, editable=False)  # which the library gives, though always empty
    remote_port = None
    actor_email = None
    changes_text = None
    additional_data = None
    content_type = models.ForeignKey(
        ContentType,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name="kind",
    )
    object_pk = models.CharField("key", max_length=255, blank=True)
    object_id = models.BigIntegerField(null=True)
    object_repr = models.TextField("record", blank=True)
    action = models.PositiveSmallIntegerField(choices=ACTIONS)
    actor = models.ForeignKey(
        "models_registry.User",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    actor_name = models.CharField("who", max_length=150, blank=True)
    remote_addr = models.GenericIPAddressField("from", null=True)
    method = models.CharField(max_length=10, blank=True)
    path = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=40, blank=True, help_text="The problem's code, of a denial.")

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit trail"
        ordering = ("-timestamp", "-pk")
        indexes = [
            # Serves the history of one record, and the search by a record's key.
            models.Index(fields=["object_pk", "content_type", "-timestamp"], name="audit_by_record_key"),
            # Serves the search by a record's name.
            models.Index(fields=["object_repr", "-timestamp"], name="audit_by_record_name"),
            # Serves the filter by kind of record.
            models.Index(fields=["content_type", "-timestamp"], name="audit_by_kind"),
            # Serves the filter by user.
            models.Index(fields=["actor", "-timestamp"], name="audit_by_actor"),
            # Serves the look-up of where a user has logged in from, at a login.
            models.Index(fields=["actor", "-timestamp"], condition=LOGINS, name="audit_logins_by_actor"),
            # Serves the search by a user's name.
            models.Index(fields=["actor_name", "-timestamp"], name="audit_by_actor_name"),
            # Serves the search by a path or its beginning, which needs PostgreSQL's operators of patterns.
            models.Index(
                fields=["path", "-timestamp"],
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
                name="audit_by_path",
            ),
            # Serves the filter by action, and the purge.
            models.Index(fields=["action", "-timestamp"], name="audit_by_action"),
            # Serves the filter by the code of a denial.
            models.Index(fields=["code", "-timestamp"], name="audit_by_code"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.object_repr or self.path}"

    def save(self, **options: Any) -> None:
        """Store the row, together with who is acting in which request."""
        self.describe_request()
        super().save(**options)

    def describe_request(self) -> None:
        """Note who is acting in which request."""
        request, user = current_request(), current_user()
        if user is not None:
            self.actor, self.actor_name = user, user.username
        if request is not None:
            self.remote_addr = client_address(request)
            self.method = str(request.method)[:10]
            self.path = escape_controls(request.path)[:255]
        self.object_repr = self.object_repr[: self.MAX_RECORD]
        self.cid = get_cid() if request is not None else None
