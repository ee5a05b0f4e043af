"""Seed documents whose snapshots are computed from predictions."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError
from pytest_django import Settings

from models_registry.registry.models import RegisteredModel
from performance.snapshots.models import MetricSnapshot
from tests.factories import EVALUATED_AT
from tests.performance.evaluations.uploads import stored_in
from tests.performance.seeds.documents import MOMENT, Seed, changed, stored


class TestPredictions:
    """A snapshot whose predictions the document has."""

    SNAPSHOT = {"dataset_split": "test", "predictions": "predictions.csv", "evaluated_at": MOMENT}

    @pytest.fixture
    def predictions(self, tmp_path: Path) -> Path:
        """Two examples, one of them predicted correctly."""
        file = tmp_path / "predictions.csv"
        file.write_text("actual,predicted\nyes,yes\nno,yes\n")
        return file

    def document(self, **more: Any) -> dict[str, Any]:
        document: dict[str, Any] = changed("models.0.versions.0.snapshots", [{**self.SNAPSHOT, **more}])
        return document

    @pytest.mark.usefixtures("predictions")
    def test_a_snapshot_of_predictions_is_computed_when_it_is_loaded(self, seed: Seed) -> None:
        seed(self.document())
        snapshot = MetricSnapshot.objects.get()
        assert (snapshot.source, snapshot.sample_count, snapshot.metrics["accuracy"]) == ("computed", 2, 0.5)
        assert snapshot.evaluated_at == EVALUATED_AT
        assert snapshot.details.confidence_intervals["accuracy"]["method"] == "wilson"

    @pytest.mark.usefixtures("predictions")
    def test_a_snapshot_of_predictions_is_not_computed_again(self, seed: Seed) -> None:
        seed(self.document())
        before = stored()
        seed(self.document())
        assert stored() == before

    def test_another_file_of_predictions_makes_another_snapshot(self, seed: Seed, predictions: Path) -> None:
        seed(self.document())
        predictions.write_text("actual,predicted\nyes,yes\nno,no\n")
        seed(self.document())
        assert [each.metrics["accuracy"] for each in MetricSnapshot.objects.order_by("pk")] == [0.5, 1]

    def test_a_snapshot_of_predictions_is_computed_but_nothing_kept_in_a_dry_run(
        self, seed: Seed, predictions: Path, settings: Settings, tmp_path: Path
    ) -> None:
        stored_in(settings, tmp_path)
        predictions.write_text("example_id,actual,predicted\n1,yes,yes\n2,no,yes\n")
        seed(self.document(), "--dry-run")
        assert not any(stored().values())
        assert not default_storage.exists("predictions")
        seed(self.document())
        assert default_storage.exists("predictions")

    @pytest.mark.usefixtures("predictions")
    def test_must_agree_with_the_metrics_that_are_given(self, seed: Seed) -> None:
        with pytest.raises(CommandError, match="accuracy: is 0.6, but the predictions come to 0.5"):
            seed(self.document(metrics={"accuracy": 0.6}))
        assert not RegisteredModel.objects.exists()
        seed(self.document(metrics={"accuracy": 0.5}))

    def test_a_snapshot_of_predictions_is_refused_where_the_file_is_not_there_or_cannot_be_scored(
        self, seed: Seed, tmp_path: Path
    ) -> None:
        with pytest.raises(CommandError, match=r"snapshots\.0\.predictions: predictions\.csv cannot be read"):
            seed(self.document())
        (tmp_path / "predictions.csv").write_text("actual\nyes\n")
        with pytest.raises(CommandError, match="There is no column 'predicted'"):
            seed(self.document())
        assert not MetricSnapshot.objects.exists()

    @pytest.mark.usefixtures("predictions")
    def test_a_snapshot_of_predictions_is_refused_for_a_task_type_that_is_not_evaluated_here(self, seed: Seed) -> None:
        document = self.document()
        document["models"][0]["task_type"] = "clustering"
        with pytest.raises(CommandError, match="Predictions of clustering are not evaluated here"):
            seed(document)

    def test_a_snapshot_with_neither_metrics_nor_predictions_is_refused(self, seed: Seed) -> None:
        with pytest.raises(CommandError, match="Either metrics are needed, or predictions"):
            seed(changed("models.0.versions.0.snapshots", [{"dataset_split": "test", "evaluated_at": MOMENT}]))

    def test_predictions_have_slices_if_their_columns_name_some(self, seed: Seed, predictions: Path) -> None:
        predictions.write_text("actual,predicted,country\nyes,yes,NL\nno,yes,BE\n")
        seed(self.document(columns={"slices": ["country"]}))

        slices = MetricSnapshot.objects.get().slices.order_by("position")
        assert [(each.value, each.metrics["accuracy"]) for each in slices] == [("BE", 0), ("NL", 1)]

    @pytest.mark.usefixtures("predictions")
    def test_predictions_are_scored_by_the_positive_class_that_the_model_declares(self, seed: Seed) -> None:
        document = self.document()
        document["models"][0]["positive_class"] = "no"
        seed(document)

        snapshot = MetricSnapshot.objects.get()
        assert (snapshot.detail.positive_class, snapshot.metrics["recall"]) == ("no", 0)

    @pytest.mark.usefixtures("predictions")
    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"slice": ["country"]}, r"snapshots\.0\.columns: There is no 'slice' among what a column may hold"),
            ({"slices": "country"}, r"snapshots\.0\.columns: 'slices' must be a list of at most 20 names"),
            ({"series": "store"}, r"snapshots\.0\.columns: A model of classification is evaluated without"),
            ({"slices": ["country"]}, r"snapshots\.0\.predictions: predictions\.csv: There is no column 'country'"),
        ],
    )
    def test_columns_that_mean_nothing_are_refused(self, seed: Seed, columns: Any, reason: str) -> None:
        with pytest.raises(CommandError, match=reason):
            seed(self.document(columns=columns))
        assert not RegisteredModel.objects.exists()

    def test_columns_without_predictions_are_refused(self, seed: Seed) -> None:
        snapshot = {"dataset_split": "test", "metrics": {"accuracy": 0.5}, "evaluated_at": MOMENT, "columns": {}}
        with pytest.raises(CommandError, match=r"columns: Only a snapshot with predictions has columns"):
            seed(changed("models.0.versions.0.snapshots", [snapshot]))
