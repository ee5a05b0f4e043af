"""Who may upload predictions and read evaluations, and which versions and task types take any."""

from typing import Any

import pytest

from models_registry.accounts.models import Membership, User
from models_registry.registry.models import RegisteredModel, Version
from tests.api import Caller, refusal
from tests.factories import completed_version
from tests.performance.evaluations.uploads import PATH, upload, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("finished_uploads_are_deleted")]


def test_a_caller_who_may_not_write_is_refused(viewer: User, outsider: User) -> None:
    assert refusal(upload(viewer)) == (403, "permission_denied")
    assert refusal(upload(outsider)) == (403, "permission_denied")
    assert refusal(upload(Caller())) == (401, "not_authenticated")


def test_an_evaluation_is_shown_to_readers_of_the_model(editor: User, viewer: User, outsider: User) -> None:
    location = upload(editor)["Location"]
    assert Caller(viewer).get(location).status_code == 200
    assert refusal(Caller(outsider).get(location)) == (403, "permission_denied")
    assert refusal(Caller().get(location)) == (401, "not_authenticated")
    assert refusal(Caller(viewer).get(location, {"page": 1})) == (400, "unknown_parameter")
    etag = Caller(viewer).get(location)["ETag"]
    assert Caller(viewer).get(location, If_None_Match=etag).status_code == 304


def test_the_right_to_read_is_checked_at_each_request(editor: User, viewer: User) -> None:
    location = upload(editor)["Location"]
    caller = Caller(viewer)
    assert caller.get(location).status_code == 200
    Membership.objects.filter(user=viewer).delete()
    assert refusal(caller.get(location)) == (403, "permission_denied")


@pytest.mark.parametrize("evaluation_id", ["x", "0", "00000000-0000-4000-8000-000000000000", "a\u0660" * 500])
def test_an_evaluation_that_does_not_exist_is_not_found(viewer: User, evaluation_id: str) -> None:
    assert refusal(Caller(viewer).get(f"/evaluations/{evaluation_id}")) == (404, "not_found")


def test_a_version_in_training_takes_no_evaluation_of_the_test_split(editor: User, model: RegisteredModel) -> None:
    Version.objects.create(model=model, number=500, state="training")
    path = PATH.replace("001a1", "001f4")
    assert refusal(upload(editor, path=path)) == (409, "conflict")
    assert upload(editor, path=path, dataset_split="validation").status_code == 202
    assert work()


def test_a_task_type_that_is_not_evaluated_here_is_refused(editor: User, acme: Any) -> None:
    clusters = RegisteredModel.objects.create(organization=acme, name="segments", task_type="clustering")
    completed_version(clusters, number=1)
    answer = upload(editor, path=f"/models/{clusters.pk}/versions/ver-00001/evaluations")
    assert refusal(answer) == (422, "unprocessable_predictions")
    assert "report its metrics instead" in answer.json()["detail"]
