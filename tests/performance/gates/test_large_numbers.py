"""Numbers near the limit of a double, which PostgreSQL returns as integers."""

import pytest

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller
from tests.factories import completed_version

LARGE = 1.7e308


@pytest.mark.django_db
def test_a_large_number_is_judged_as_the_double_that_was_reported(admin: User, acme: Organization) -> None:
    model = RegisteredModel.objects.create(organization=acme, name="t", task_type="regression")
    ada, path = Caller(admin), f"/models/{model.pk}"
    for number, sign in ((1, -1), (2, 1)):
        version = f"{path}/versions/{completed_version(model, number=number).version_id}"
        report = {
            "dataset_split": "test",
            "metrics": {"rmse": LARGE, "mae": LARGE, "bias": sign * LARGE, "median_absolute_error": 1e23},
            "custom_metrics": {"steps": 1e23},
            "confidence_intervals": {"bias": {"lower": -LARGE, "upper": LARGE}},
        }
        assert ada.post(f"{version}/snapshots", report).status_code == 201
        assert ada.post(f"{version}/promote").status_code == 200

    rules = [
        {"metric": "median_absolute_error", "operator": "<=", "threshold": 1e23},
        {"metric": "custom.steps", "operator": ">", "threshold": 1e23},
        {"metric": "bias", "max_regression": 1, "confidence": 0.95},
    ]
    verdict = ada.post(f"{path}/performance/gate", {"rules": rules})

    assert [rule["status"] for rule in verdict.json()["rules"]] == ["passed", "failed", "missing"]
    assert b'"value":1e+23' in verdict.content
    assert b"value: 1.0e+23" in ada.get(f"{path}/versions/ver-00002/model-card").content
