"""Badges in the admin can be read and revoked."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.badges.models import Badge
from performance.badges.selectors import badge_signature
from tests.admin_pages import list_url, logged_in, page_url, rows, text_of
from tests.factories import new_user


@pytest.fixture
def badge(model: RegisteredModel) -> Badge:
    expires_at = timezone.now() + timedelta(days=1)
    return Badge.objects.create(model=model, metric="accuracy", dataset_split="test", expires_at=expires_at)


def revoke(user: User, badge: Badge) -> Any:
    form = {"action": "revoke", "_selected_action": [str(badge.pk)]}
    return logged_in(user).post(list_url(Badge), form, follow=True)


def test_badges_are_listed_and_read_only(superuser: User, badge: Badge) -> None:
    root = logged_in(superuser)

    [row] = rows(root.get(list_url(Badge), {"q": "churn"}))
    assert "churn accuracy Test" in row
    assert badge_signature(badge) not in root.get(page_url(badge)).content.decode()
    assert root.post(page_url(badge), {"metric": "roc_auc"}).status_code == 403


def test_badges_are_revoked_by_an_action(superuser: User, badge: Badge) -> None:
    assert "Badges revoked: 1." in text_of(revoke(superuser, badge).content.decode())

    badge.refresh_from_db()
    assert badge.revoked_at is not None
    assert AuditEntry.objects.filter(content_type__model="badge", actor=superuser).count() == 1
    url = "/api/v1/models/mdl-7f3a19bc92/performance/badge.svg"
    assert Client().get(url, {"signature": badge_signature(badge)}).status_code == 404


def test_badges_are_not_revoked_by_who_may_only_look(badge: Badge) -> None:
    staff = new_user("stan", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_badge"))

    revoke(staff, badge)

    badge.refresh_from_db()
    assert badge.revoked_at is None
