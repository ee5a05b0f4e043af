"""Webhooks as queryset methods."""

from datetime import timedelta
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from performance.jobs.querysets import DatabaseNow, JobQuerySet


class WebhookDeliveryQuerySet(JobQuerySet):
    """Messages to webhooks, which are taken webhook by webhook."""

    def take_fairly(self, lease: timedelta, *, most: int) -> Any:
        """Take a message of the webhook that has waited longest for its turn; `None` if no message may be sent.

        At most one message of a webhook is under way, and at most `most` of an organization. The rows of the webhook
        and of its organization are locked while a message is taken, so that no other worker exceeds these limits.
        """
        if not self.due().exists():  # which costs no lock
            return None
        webhooks = self.model._meta.get_field("webhook").related_model.objects
        with transaction.atomic():
            webhook = webhooks.free_to_send(self.due(), most=most).lock_next()
            # Counted again, as others may have taken messages before the rows were locked.
            if webhook is None or webhooks.sending(webhook.organization_id).count() >= most:
                return None
            job = self.filter(webhook=webhook.pk).claim(lease)
            if job is not None:
                webhooks.filter(pk=webhook.pk).update(sending_until=DatabaseNow() + lease)
        return job


class WebhookQuerySet(models.QuerySet[Any]):
    """Webhooks."""

    def sending(self, organization: Any) -> Self:
        """Keep the webhooks of an organization to which a message is under way."""
        return self.filter(organization=organization, sending_until__gt=DatabaseNow())

    def free_to_send(self, due: models.QuerySet[Any], *, most: int) -> Self:
        """Keep the webhooks with a due message that are neither paused nor sending one.

        Webhooks of an organization that is already sending `most` messages are left out.
        """
        now = DatabaseNow()
        sending = self.model.objects.sending(OuterRef("organization")).order_by().values("organization")
        return self.annotate(number=Coalesce(Subquery(sending.annotate(n=Count("pk")).values("n")), 0)).filter(
            Exists(due.filter(webhook=OuterRef("pk"))),
            Q(paused_until=None) | Q(paused_until__lte=now),
            Q(sending_until=None) | Q(sending_until__lte=now),
            number__lt=most,
        )

    def lock_next(self) -> Any:
        """Lock the webhook that was sent a message longest ago, with its organization, and return it."""
        longest_ago = self.select_related("organization").order_by(F("sending_until").asc(nulls_first=True), "pk")
        return longest_ago.select_for_update(skip_locked=True, of=("self", "organization"), no_key=True).first()

    def listening(self, model: Any) -> Self:
        """Keep the active webhooks that are told of a model, with their organization."""
        own = Q(model=None) | Q(model=model)
        return self.filter(own, organization=model.organization_id, is_active=True).select_related("organization")
