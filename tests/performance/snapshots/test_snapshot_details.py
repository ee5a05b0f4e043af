"""The detail of a snapshot for which only summary metrics were reported."""

import pytest

from models_registry.accounts.models import User
from tests.conftest import authenticated

MODEL = "/api/v1/models/mdl-7f3a19bc92"
SNAPSHOTS = f"{MODEL}/versions/ver-001a1/snapshots"


@pytest.mark.usefixtures("model")
def test_a_snapshot_without_details_has_empty_objects_where_the_document_allows_no_null(editor: User) -> None:
    client = authenticated(editor)
    body = {"dataset_split": "test", "metrics": {"accuracy": 0.5}}

    reported = client.post(SNAPSHOTS, body, content_type="application/json").json()
    read = client.get(f"{SNAPSHOTS}/{reported['id']}").json()
    report = client.get(f"{MODEL}/performance/report").json()

    assert reported == read
    assert (read["custom_metrics"], read["confusion_matrix"]) == ({}, None)
    assert (report["custom_metrics"], report["confidence_intervals"], report["per_class"]) == ({}, {}, {})
