"""The worker's part of webhooks: sends queued messages and records the responses."""

import logging
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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

LEASE = timedelta(seconds=60)  # after which another worker sends the message of a killed one
# The delays before the second attempt, the third, and so on. If the attempt after the last delay fails, so does the
# message.
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
JITTER = 0.2  # the largest random part added to a delay, so that messages that failed together spread out
SENDERS = 8  # threads of a worker that send messages
SENDERS_PER_ORGANIZATION = 2  # messages of one organization that are sent at the same time
FAILURES_TO_PAUSE = 5  # failures in a row, from which on the pause of a webhook grows
PAUSE = timedelta(minutes=1)  # the first one; each further failure doubles it
LONGEST_PAUSE = timedelta(hours=1)
GIVE_UP = timedelta(days=2)  # the age at which a message fails if its webhook keeps failing
GONE = 410
RETENTION = timedelta(days=30)  # after which an ended message is deleted


def deliver_next() -> bool:
    """Send the message whose turn it is; return whether there was one.

    Its row records the result. Raises the database's error if the database cannot be reached; the message then comes
    due again.
    """
    delivery: WebhookDelivery | None = WebhookDelivery.objects.claim_fairly(LEASE, limit=SENDERS_PER_ORGANIZATION)
    if delivery is None:
        return False
    webhook = Webhook.objects.filter(pk=delivery.webhook_id).first()
    if webhook is not None:  # otherwise the message was deleted with it
        _attempt(delivery, webhook)
    return True


def _attempt(delivery: WebhookDelivery, webhook: Webhook) -> None:
    if not webhook.is_active:
        _record(delivery, **_failed("The webhook is not active."))
    elif delivery.attempts > MAX_ATTEMPTS:
        _record(delivery, **_failed("Each attempt was interrupted, as its worker ended."))
    else:
        _expect_closed_connection()
        try:
            response = _send(delivery, webhook)
        except DeliveryError as error:
            _record_failure(delivery, webhook, last_status=None, last_answer="", last_error=str(error))
        else:
            _record_response(delivery, webhook, response)


def _expect_closed_connection() -> None:
    """Have the connection checked after the receiver answered, as that may take long, unless a transaction is open."""
    if not connection.in_atomic_block:
        close_old_connections()


def _record_response(delivery: WebhookDelivery, webhook: Webhook, response: Response) -> None:
    result: dict[str, object] = {"last_status": response.status, "last_answer": response.text}
    if 200 <= response.status < 300:
        result |= {"state": "succeeded", "due_at": None, "finished_at": timezone.now(), "last_error": ""}
        _record(delivery, {"consecutive_failures": 0, "paused_until": None}, **result)
    elif response.status == GONE:
        if _record(delivery, **result, **_failed("The receiver is gone: the webhook is off.")):
            _switch_off(webhook)
    else:
        error = f"The receiver answered {response.status}; 200 to 299 is a success."
        _record_failure(delivery, webhook, **result, last_error=error)


@transaction.atomic
def _record(
    delivery: WebhookDelivery, webhook_changes: Mapping[str, object] | None = None, /, **changes: object
) -> bool:
    """Record the end of an attempt, and that the webhook is free for the next; return whether the lease still held."""
    recorded = bool(WebhookDelivery.objects.leased_by(delivery).update(**changes))
    if recorded:
        Webhook.objects.filter(pk=delivery.webhook_id).update(sending_until=DatabaseNow(), **(webhook_changes or {}))
        _log_attempt(delivery, changes)
    else:
        log.warning(
            "The message %s is no longer this worker's: another has claimed it, or it was deleted.",
            delivery.message_id,
        )
    return recorded


def _log_attempt(delivery: WebhookDelivery, changes: Mapping[str, object]) -> None:
    fields = {
        "message_id": delivery.message_id,
        "event": delivery.event,
        "webhook": str(delivery.webhook_id),
        "attempt": delivery.attempts,
        "status": changes.get("last_status"),
        "result": changes["state"],
        "error": changes["last_error"],
    }
    text = "The message %(message_id)s (%(event)s) to webhook %(webhook)s, attempt %(attempt)d: %(result)s"
    log.info(f"{text}, status %(status)s %(error)s", fields, extra=fields)


def _record_failure(delivery: WebhookDelivery, webhook: Webhook, **result: object) -> None:
    """Schedule the next attempt, or fail the message after the last one, and pause its webhook.

    While a webhook is paused, all its messages wait, and use up no attempts. After the pause, one of them is sent.
    """
    failures = webhook.consecutive_failures + 1
    pause = {"consecutive_failures": failures, "paused_until": DatabaseNow() + _with_jitter(_pause(failures))}
    if delivery.attempts >= MAX_ATTEMPTS:
        _record(delivery, pause, **{**_failed(""), **result})
    else:
        delay = _with_jitter(RETRY_DELAYS[delivery.attempts - 1])
        _record(delivery, pause, **result, state="queued", due_at=DatabaseNow() + delay)
    if failures >= FAILURES_TO_PAUSE:
        _give_up_old_messages(webhook)


def _pause(failures: int) -> timedelta:
    """Return how long the messages of a webhook wait after this number of failures in a row."""
    if failures < FAILURES_TO_PAUSE:
        return RETRY_DELAYS[0]
    doublings = min(failures - FAILURES_TO_PAUSE, 10)
    pause: timedelta = PAUSE * 2**doublings
    return min(pause, LONGEST_PAUSE)


def _with_jitter(delay: timedelta) -> timedelta:
    return delay * (1 + JITTER * random.random())  # noqa: S311  # not a secret


def _failed(error: str) -> dict[str, object]:
    return {"state": "failed", "due_at": None, "finished_at": timezone.now(), "last_error": error}


def _give_up_old_messages(webhook: Webhook) -> None:
    old = WebhookDelivery.objects.filter(webhook=webhook, state="queued", created_at__lt=timezone.now() - GIVE_UP)
    old.update(**_failed("The webhook kept failing, so the message was not delivered in time."))


@transaction.atomic
def _switch_off(webhook: Webhook) -> None:
    """Switch a webhook off, unless it was deleted or its URL changed meanwhile."""
    current = Webhook.objects.select_for_update().filter(pk=webhook.pk, url=webhook.url).first()
    if current is not None:
        update_webhook(webhook=current, is_active=False)


def _send(delivery: WebhookDelivery, webhook: Webhook) -> Response:
    """Sign a message with the present time and send it (Standard Webhooks). Raises `DeliveryError`.

    Of a response from a host of the operator's own network, only the status is returned: webhooks must not be a way to
    explore that network.
    """
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(webhook.secret).sign(delivery.message_id, now, delivery.payload),
    }
    trusted_hosts = settings.WEBHOOK_PRIVATE_HOSTS
    is_private = urlsplit(webhook.url).hostname in trusted_hosts
    try:
        response = post(webhook.url, delivery.payload.encode(), headers, trusted_hosts=trusted_hosts)
    except DeliveryError as error:
        if not is_private:
            raise
        log.warning("The message %s was not sent to a private host: %s", delivery.message_id, error)
        raise DeliveryError("No answer came. Ask the operator, whose log says why.") from None
    return Response(response.status, "") if is_private else response


def delete_ended_deliveries() -> int:
    """Delete the messages that ended before the retention time, and return their number."""
    return delete_in_batches(WebhookDelivery.objects.all(), "finished_at", timezone.now() - RETENTION)
