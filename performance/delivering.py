"""Sending webhooks their messages: from the queue to the receiver's answer."""

import logging
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from models_registry.services import delete_in_batches
from performance.models import Webhook, WebhookDelivery
from performance.outbound import Answer, NotSentError, post
from performance.webhooks import update_webhook

log = logging.getLogger("performance.worker")

LEASE = timedelta(seconds=60)  # after which a message whose worker says nothing more is sent again
# Before the second attempt, the third, and so on; after the last one the message has failed.
WAITS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(hours=24),
)
MAX_ATTEMPTS = len(WAITS) + 1
JITTER = 0.2  # by which part a wait may be longer, so that what failed together is not tried together again
GONE = 410
KEPT = timedelta(days=30)  # past which a message that has ended is deleted


def deliver_next() -> bool:
    """Send the message that has been due for longest; say whether there was one.

    What becomes of it is told by its row. Raises what the database does when it cannot be reached; the message then
    comes due again.
    """
    delivery: WebhookDelivery | None = WebhookDelivery.objects.take(LEASE)
    if delivery is None:
        return False
    webhook = Webhook.objects.filter(pk=delivery.webhook_id).first()
    if webhook is not None:  # else the message went with it
        _attempt(delivery, webhook)
    return True


def _attempt(delivery: WebhookDelivery, webhook: Webhook) -> None:
    if not webhook.is_active:
        _end(delivery, "failed", last_error="The webhook is not active.")
    elif delivery.attempts > MAX_ATTEMPTS:
        _end(delivery, "failed", last_error="The worker broke off each time.")
    else:
        try:
            answer = _send(delivery, webhook)
        except NotSentError as error:
            _put_off(delivery, last_status=None, last_answer="", last_error=str(error))
        else:
            _settle(delivery, webhook, answer)


def _settle(delivery: WebhookDelivery, webhook: Webhook, answer: Answer) -> None:
    told = {"last_status": answer.status, "last_answer": answer.text}
    if 200 <= answer.status < 300:
        _end(delivery, "succeeded", **told, last_error="")
    elif answer.status == GONE:
        _switch_off(webhook)
        _end(delivery, "failed", **told, last_error="The receiver is gone for good: the webhook is off.")
    else:
        _put_off(delivery, **told, last_error=f"The receiver answered {answer.status}; 200 to 299 is a success.")


@transaction.atomic
def _switch_off(webhook: Webhook) -> None:
    """Switch a webhook off, unless it has been deleted or has another URL by now."""
    current = Webhook.objects.select_for_update().filter(pk=webhook.pk, url=webhook.url).first()
    if current is not None:
        update_webhook(webhook=current, is_active=False)


def _send(delivery: WebhookDelivery, webhook: Webhook) -> Answer:
    """Sign a message as of now and send it (Standard Webhooks). Raises `NotSentError`.

    Of a host of the operator's own network nothing is told but the status: it must not be explored by webhooks.
    """
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "model-performance-registry",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(webhook.secret).sign(delivery.message_id, now, delivery.payload),
    }
    trusted_hosts = settings.WEBHOOK_PRIVATE_HOSTS
    private = urlsplit(webhook.url).hostname in trusted_hosts
    try:
        answer = post(webhook.url, delivery.payload.encode(), headers, trusted_hosts=trusted_hosts)
    except NotSentError as error:
        if not private:
            raise
        log.warning("The message %s was not sent to a private host: %s", delivery.message_id, error)
        raise NotSentError("No answer came. Ask the operator, whose log says why.") from None
    return Answer(answer.status, "") if private else answer


def _put_off(delivery: WebhookDelivery, **told: object) -> None:
    """Let a message that was not taken be sent again after a while, or fail it when it was sent often enough.

    What else the receiver is to get waits a little as well: one that does not answer must not hold up all others.
    """
    if delivery.attempts >= MAX_ATTEMPTS:
        _end(delivery, "failed", **told)
        return
    WebhookDelivery.objects.held(delivery).update(**told)
    wait = WAITS[delivery.attempts - 1] * (1 + JITTER * random.random())  # noqa: S311  # no secret
    WebhookDelivery.objects.put_back(delivery, wait=wait)
    soonest = timezone.now() + WAITS[0]
    others = WebhookDelivery.objects.filter(webhook=delivery.webhook_id, state="queued", due_at__lt=soonest)
    others.update(due_at=soonest)


def _end(delivery: WebhookDelivery, state: str, **told: object) -> None:
    WebhookDelivery.objects.held(delivery).update(state=state, due_at=None, finished_at=timezone.now(), **told)


def delete_ended_deliveries() -> int:
    """Delete the messages that ended a while ago. Return their number."""
    return delete_in_batches(WebhookDelivery.objects.all(), "finished_at", timezone.now() - KEPT)
