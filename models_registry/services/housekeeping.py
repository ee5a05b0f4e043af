"""Forgetting what has had its time."""

from auditlog.context import disable_auditlog
from django.db import transaction
from django.utils import timezone

from models_registry.models import IdempotencyKey, TokenFamily


@transaction.atomic
def forget_expired() -> tuple[int, int]:
    """Delete idempotency keys past their time and logins past their end; return how many of each."""
    now = timezone.now()
    with disable_auditlog():
        logins, _ = TokenFamily.objects.filter(expires_at__lt=now).delete()
    keys, _ = IdempotencyKey.objects.filter(created_at__lt=now - IdempotencyKey.KEPT).delete()
    return keys, logins
