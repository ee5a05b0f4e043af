"""The table of the audit trail."""

from auditlog.cid import get_cid
from auditlog.models import AbstractLogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

from models_registry.api.client_address import client_address
from models_registry.audit.context import current_request, current_user, escape_controls
from models_registry.db.prepared import insert

# Selects successful logins: to the admin, and for a token by user name and password.
LOGINS = models.Q(action=5) | models.Q(action=0, path="/api/v1/auth/token")


class AuditEntry(AbstractLogEntry):  # type: ignore[misc]  # the library is untyped
    """A written record, a denied request, or a login to or logout from the admin.

    It says who did what from where, and how the fields changed.

    The database refuses to change a row, and allows only `purge` to delete an old row: see the migrations
    `audit_trail_append_only` and `audit_trail_retention`. So rows outlive the users and content types that they refer
    to. Only the owner of the table can empty it, with `TRUNCATE`.

    The table may have millions of rows. Each lookup needs an index that begins with its column and ends with the
    timestamp, so that the newest rows come first without sorting.
    """

    DENIED, LOGGED_IN, LOGGED_OUT = 4, 5, 6
    MAX_RECORD_NAME = 255  # characters; an index entry on PostgreSQL holds at most 2,700 bytes
    ACTIONS = [
        (0, "create"),
        (1, "update"),
        (2, "delete"),
        (DENIED, "denied"),
        (LOGGED_IN, "logged in"),
        (LOGGED_OUT, "logged out"),
    ]

    serialized_data = models.JSONField(null=True, editable=False)  # required by the library, but always empty
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
    code = models.CharField(
        max_length=40, blank=True, help_text="The code of the problem response, if the request was denied."
    )

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
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
            # Serves the lookup of networks from which a user has logged in.
            models.Index(fields=["actor", "-timestamp"], condition=LOGINS, name="audit_logins_by_actor"),
            # Serves the search by a user's name.
            models.Index(fields=["actor_name", "-timestamp"], name="audit_by_actor_name"),
            # Serves the search by a path or its prefix, which needs PostgreSQL's pattern operators.
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

    def save(self, **options: object) -> None:
        """Store the new row with the current user and request."""
        self.describe_request()
        insert(self)

    def describe_request(self) -> None:
        """Set the user, address, method, path and request id from the current request."""
        request, user = current_request(), current_user()
        if user is not None:
            self.actor, self.actor_name = user, user.username
        if request is not None:
            self.remote_addr = client_address(request)
            self.method = str(request.method)[:10]
            self.path = escape_controls(request.path)[:255]
        self.object_repr = self.object_repr[: self.MAX_RECORD_NAME]
        self.cid = get_cid() if request is not None else None
