"""Uploads of one organization that meet at the last place of its quota."""

from functools import partial
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from tests.api import Caller
from tests.concurrency.together import in_turn
from tests.factories import completed_version
from tests.performance.evaluations.uploads import stored_in, stored_uploads, upload

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("rows_can_be_cleaned_up"),
]


def test_uploads_to_two_models_at_once_do_not_exceed_the_organizations_quota(
    acme: Organization, editor: User, settings: Settings, tmp_path: Path
) -> None:
    stored_in(settings, tmp_path)
    settings.MAX_QUEUED_EVALUATIONS = 1
    callers = {}
    for name in ("first", "second"):
        model = RegisteredModel.objects.create(organization=acme, name=name, task_type="classification")
        version = completed_version(model, number=1)
        callers[f"/models/{model.pk}/versions/{version.version_id}/evaluations"] = Caller(editor)

    answers = in_turn(acme, [partial(upload, ed, path=path) for path, ed in callers.items()])

    assert sorted(answer.status_code for answer in answers) == [202, 429]
    assert EvaluationJob.objects.count() == len(stored_uploads()) == 1
