"""The table of the audit trail."""

from typing import Any

from auditlog.cid import get_cid
from auditlog.models import AbstractLogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

from models_registry.acting import client_address, one_line, present_request, present_user


class AuditEntry(AbstractLogEntry):  # type: ignore[misc]  # the library is untyped
    """That a record was written, or a request denied: who, what, from where, before and after.

    The database refuses to change or delete a row: see the migration `audit_trail_append_only`. So rows outlive the
    users and kinds of records that they name. Only who may `TRUNCATE` the table, as its owner may, can empty it.
    """

    DENIED = 4
    ACTIONS = [(0, "create"), (1, "update"), (2, "delete"), (DENIED, "denied")]

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
            # Serves the history of one record.
            models.Index(fields=["content_type", "object_pk", "-timestamp"], name="audit_by_record"),
            # Serves the admin's list of what one user did.
            models.Index(fields=["actor", "-timestamp"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.object_repr or self.path}"

    def save(self, **options: Any) -> None:
        """Store the row, together with who is acting in which request."""
        self.describe_request()
        super().save(**options)

    def describe_request(self) -> None:
        """Note who is acting in which request."""
        request, user = present_request(), present_user()
        if user is not None:
            self.actor, self.actor_name = user, user.username
        if request is not None:
            self.remote_addr = client_address(request)
            self.method = str(request.method)[:10]
            self.path = one_line(request.path)[:255]
        self.cid = get_cid() if request is not None else None
