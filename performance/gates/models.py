"""Gate policies, and the stored verdicts."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel, Version
from performance.gates.querysets import GatePolicyQuerySet


class GatePolicy(models.Model):
    """The rules that a version must pass, for one model or for all models of an organization without their own policy.

    Each edit adds a row, and the newest row is in force. A row without a document withdraws the policy. The table is
    append-only, so that a verdict can name the policy that was applied: see the migration `gate_policies`.
    """

    model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, null=True, blank=True, related_name="gate_policies", db_index=False
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, blank=True, related_name="gate_policies", db_index=False
    )
    version = models.PositiveIntegerField(help_text="The sequence number within the model or organization, from 1.")
    document = models.JSONField(null=True, blank=True, help_text="The policy as JSON; null if it was deleted.")
    # A name instead of a foreign key: the row cannot change when the user is deleted.
    created_by = models.CharField(max_length=150, blank=True, help_text="The name of the user who stored it.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = GatePolicyQuerySet.as_manager()

    class Meta:
        verbose_name = "gate policy"
        verbose_name_plural = "gate policies"
        constraints = [
            # Both also serve the look-up of the newest policy, of a model and of an organization.
            models.UniqueConstraint(fields=["model", "version"], name="policy_version_once_per_model"),
            models.UniqueConstraint(fields=["organization", "version"], name="policy_version_once_per_organization"),
            models.CheckConstraint(
                condition=Q(model__isnull=False, organization__isnull=True)
                | Q(model__isnull=True, organization__isnull=False),
                name="policy_of_model_or_organization",
                violation_error_message="Choose a model or an organization, not both.",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1),
                name="policy_version_from_1",
                violation_error_message="The revisions of a policy begin with 1.",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.version} of {self.model or self.organization}"

    @property
    def owner(self) -> str:
        """The kind of owner: `model` or `organization`."""
        return "organization" if self.model_id is None else "model"


class GateVerdict(models.Model):
    """A verdict on a promotion, or on an enforced request. Append-only: see the migration `gate_policies`."""

    class Occasion(models.TextChoices):
        PROMOTION = "promotion"
        ENFORCEMENT = "enforcement"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="verdicts", db_index=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="verdicts")
    occasion = models.CharField(max_length=12, choices=Occasion.choices)
    status = models.CharField(max_length=10)
    document = models.JSONField(help_text="The verdict as JSON.")
    # A name instead of a foreign key: the row cannot change when the user is deleted.
    requested_by = models.CharField(
        max_length=150, blank=True, help_text="The name of the user who requested the verdict."
    )
    judged_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "gate verdict"
        constraints = [
            models.CheckConstraint(
                condition=Q(occasion__in=["promotion", "enforcement"]),
                name="verdict_occasion_known",
                violation_error_message="There is no such occasion of a verdict.",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["passed", "failed", "no_policy"]),
                name="verdict_status_known",
                violation_error_message="There is no such status of a verdict.",
            ),
        ]
        indexes = [
            # Serves the list of a model's verdicts, newest first.
            models.Index(fields=["model", "-id"], name="verdicts_of_model"),
            # Serves the start page of the admin, which names the models whose newest verdict is a failure.
            models.Index(fields=["-id"], condition=Q(status="failed"), name="failed_verdicts"),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.status} at {self.judged_at:%Y-%m-%d %H:%M}"
