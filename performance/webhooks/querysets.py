"""Webhooks as queryset methods."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from performance.jobs.querysets import DatabaseNow, JobQuerySet

if TYPE_CHECKING:
    from performance.webhooks.models import Webhook, WebhookDelivery

MAX_COUNTED = 100_000  # waiting messages


class WebhookDeliveryQuerySet(JobQuerySet[Any]):
    """Messages to webhooks, which are claimed webhook by webhook."""

    def claim_fairly(self, lease: timedelta, *, limit: int) -> "WebhookDelivery | None":
        """Claim a message of the webhook that has waited longest for its turn; `None` if no message may be sent.

        At most one message of a webhook is being sent, and at most `limit` of an organization. The rows of the webhook
        and of its organization are locked while a message is claimed, so that no other worker exceeds these limits.
        """
        if not self.due().exists():  # without a lock
            return None
        webhooks = self.model._meta.get_field("webhook").related_model.objects
        with transaction.atomic():
            webhook = webhooks.ready_to_send(self.due(), limit=limit).lock_next()
            # Counted again, as others may have claimed messages before the rows were locked.
            if webhook is None or webhooks.sending(webhook.organization_id).count() >= limit:
                return None
            job = self.filter(webhook=webhook.pk).claim(lease)
            if job is not None:
                webhooks.filter(pk=webhook.pk).update(sending_until=DatabaseNow() + lease)
        return job

    def waiting(self) -> "WaitingDeliveries":
        """Return how many messages wait, and since when."""
        oldest = self.due().order_by("due_at").values_list("due_at", flat=True).first()
        return WaitingDeliveries(self.filter(due_at__isnull=False)[:MAX_COUNTED].count(), oldest)


class WaitingDeliveries(NamedTuple):
    """Messages that have not ended: their number, counted up to `MAX_COUNTED`, and since when the oldest is due."""

    number: int
    due_since: datetime | None


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Webhooks."""

    def sending(self, organization: int | OuterRef) -> Self:
        """Keep the webhooks of an organization to which a message is being sent."""
        return self.filter(organization=organization, sending_until__gt=DatabaseNow())

    def ready_to_send(self, due: "models.QuerySet[WebhookDelivery]", *, limit: int) -> Self:
        """Keep the webhooks that have a due message and are neither paused nor being sent one.

        Leave out the webhooks of an organization to which `limit` messages are being sent already.
        """
        now = DatabaseNow()
        sending = self.model.objects.sending(OuterRef("organization")).order_by().values("organization")
        return self.annotate(number=Coalesce(Subquery(sending.annotate(n=Count("pk")).values("n")), 0)).filter(
            Exists(due.filter(webhook=OuterRef("pk"))),
            Q(paused_until=None) | Q(paused_until__lte=now),
            Q(sending_until=None) | Q(sending_until__lte=now),
            number__lt=limit,
        )

    def lock_next(self) -> "Webhook | None":
        """Return the webhook whose last message was sent longest ago, locked together with its organization."""
        longest_ago = self.select_related("organization").order_by(F("sending_until").asc(nulls_first=True), "pk")
        rows = longest_ago.select_for_update(skip_locked=True, of=("self", "organization"), no_key=True)
        return rows.first()

    def subscribed_to(self, model: str | Combinable, organization: int | Combinable) -> Self:
        """Keep the active webhooks that receive events about a model of an organization."""
        own = Q(model=None) | Q(model=model)
        return self.filter(own, organization=organization, is_active=True)
