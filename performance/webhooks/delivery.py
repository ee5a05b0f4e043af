"""Sending webhooks their messages: from the queue to the receiver's answer."""

import logging
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from models_registry.api.http_client import DeliveryError, Response, post
from models_registry.db.purge import delete_in_batches
from performance.jobs.querysets import DatabaseNow
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.services import update_webhook

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # after which a message whose worker says nothing more is sent again
# Before the second attempt, the third, and so on; after the last one the message has failed.
RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=8),
    timedelta(hours=24),
)
MAX_ATTEMPTS = len(RETRY_DELAYS) + 1
JITTER = 0.2  # by which part a wait may be longer, so that what failed together is not tried together again
SENDERS = 8  # threads of a worker that send messages
SENDERS_PER_ORGANIZATION = 2  # messages of one organization that are under way at a time
FAILURES_TO_PAUSE = 5  # in a row, after which a webhook's messages wait longer and longer
PAUSE = timedelta(minutes=1)  # the first one; each further failure doubles it
LONGEST_PAUSE = timedelta(hours=1)
GIVE_UP = timedelta(days=2)  # the age at which a message to a webhook that keeps failing has failed
GONE = 410
RETENTION = timedelta(days=30)  # past which a message that has ended is deleted


def deliver_next() -> bool:
    """Send the message whose turn it is; return whether there was one.

    Its row records the result. Raises the database's error if the database cannot be reached; the message then comes
    due again.
    """
    delivery: WebhookDelivery | None = WebhookDelivery.objects.take_fairly(LEASE, most=SENDERS_PER_ORGANIZATION)
    if delivery is None:
        return False
    webhook = Webhook.objects.filter(pk=delivery.webhook_id).first()
    if webhook is not None:  # else the message was deleted with it
        _attempt(delivery, webhook)
    return True


def _attempt(delivery: WebhookDelivery, webhook: Webhook) -> None:
    if not webhook.is_active:
        _record(delivery, **_failed("The webhook is not active."))
    elif delivery.attempts > MAX_ATTEMPTS:
        _record(delivery, **_failed("The worker broke off each time."))
    else:
        _release_connection()
        try:
            answer = _send(delivery, webhook)
        except DeliveryError as error:
            _record_failure(delivery, webhook, last_status=None, last_answer="", last_error=str(error))
        else:
            _record_response(delivery, webhook, answer)


def _release_connection() -> None:
    """Let other threads have the database connection until the receiver has answered, unless a transaction is open."""
    if not connection.in_atomic_block:
        close_old_connections()


def _record_response(delivery: WebhookDelivery, webhook: Webhook, answer: Response) -> None:
    told: dict[str, Any] = {"last_status": answer.status, "last_answer": answer.text}
    if 200 <= answer.status < 300:
        told |= {"state": "succeeded", "due_at": None, "finished_at": timezone.now(), "last_error": ""}
        _record(delivery, {"consecutive_failures": 0, "paused_until": None}, **told)
    elif answer.status == GONE:
        if _record(delivery, **told, **_failed("The receiver is gone for good: the webhook is off.")):
            _switch_off(webhook)
    else:
        error = f"The receiver answered {answer.status}; 200 to 299 is a success."
        _record_failure(delivery, webhook, **told, last_error=error)


@transaction.atomic
def _record(delivery: WebhookDelivery, of_webhook: Mapping[str, Any] | None = None, **changes: Any) -> bool:
    """Record the end of an attempt, and that the webhook is free for the next; return whether the message was held."""
    held = bool(WebhookDelivery.objects.leased_by(delivery).update(**changes))
    if held:
        Webhook.objects.filter(pk=delivery.webhook_id).update(sending_until=DatabaseNow(), **(of_webhook or {}))
    else:
        log.warning(
            "The message %s is no longer this worker's: another has it, or it was deleted.", delivery.message_id
        )
    return held


def _record_failure(delivery: WebhookDelivery, webhook: Webhook, **told: Any) -> None:
    """Let a message be sent again after a while, or fail it after the last attempt, and pause its webhook.

    While a webhook is paused, its messages wait together, and use up no attempts. After the pause one of them is sent.
    """
    failures = webhook.consecutive_failures + 1
    pausing = {"consecutive_failures": failures, "paused_until": DatabaseNow() + _with_jitter(_pause(failures))}
    if delivery.attempts >= MAX_ATTEMPTS:
        _record(delivery, pausing, **{**_failed(""), **told})
    else:
        wait = _with_jitter(RETRY_DELAYS[delivery.attempts - 1])
        _record(delivery, pausing, **told, state="queued", due_at=DatabaseNow() + wait)
    if failures >= FAILURES_TO_PAUSE:
        _give_up_old_messages(webhook)


def _pause(failures: int) -> timedelta:
    """Return how long a webhook's messages wait after so many failures in a row."""
    if failures < FAILURES_TO_PAUSE:
        return RETRY_DELAYS[0]
    doublings = min(failures - FAILURES_TO_PAUSE, 10)
    longer: timedelta = PAUSE * 2**doublings
    return min(longer, LONGEST_PAUSE)


def _with_jitter(wait: timedelta) -> timedelta:
    return wait * (1 + JITTER * random.random())  # noqa: S311  # no secret


def _failed(error: str) -> dict[str, Any]:
    return {"state": "failed", "due_at": None, "finished_at": timezone.now(), "last_error": error}


def _give_up_old_messages(webhook: Webhook) -> None:
    old = WebhookDelivery.objects.filter(webhook=webhook, state="queued", created_at__lt=timezone.now() - GIVE_UP)
    old.update(**_failed("The webhook kept failing, so that the message was not delivered in time."))


@transaction.atomic
def _switch_off(webhook: Webhook) -> None:
    """Switch a webhook off, unless it has been deleted or has another URL by now."""
    current = Webhook.objects.select_for_update().filter(pk=webhook.pk, url=webhook.url).first()
    if current is not None:
        update_webhook(webhook=current, is_active=False)


def _send(delivery: WebhookDelivery, webhook: Webhook) -> Response:
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
    except DeliveryError as error:
        if not private:
            raise
        log.warning("The message %s was not sent to a private host: %s", delivery.message_id, error)
        raise DeliveryError("No answer came. Ask the operator, whose log says why.") from None
    return Response(answer.status, "") if private else answer


def delete_ended_deliveries() -> int:
    """Delete the messages that ended a while ago. Return their number."""
    return delete_in_batches(WebhookDelivery.objects.all(), "finished_at", timezone.now() - RETENTION)
