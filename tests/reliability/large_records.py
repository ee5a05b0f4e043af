"""Fill a new database with small and, if `--large` is given, large records, and print callers' tokens as JSON.

Run as a process with the settings of the service whose database it is. The large records are as large as evaluations
have stored them.
"""

import io
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

LABELS = 1000
ROWS = 900_000  # of the predictions that are kept to be compared
SCREENED = "mdl-00000000a1"  # a model of many classes
COMPARED = "mdl-00000000a2"  # a model whose versions have large predictions
SUMMARIZED = "mdl-7f3a19bc92"
COMPARED_VERSIONS = 4
EVALUATED_AT = "2026-01-01T00:00:00Z"
METRICS = {"accuracy": 0.75, "precision": 0.75, "recall": 0.75, "f1_score": 0.75, "roc_auc": 0.9, "log_loss": 0.5}
USERS = ("ed", "vera", "otto", "eve")
DOCUMENT = {
    "users": [{"username": name} for name in USERS],
    "organizations": [
        {"slug": "acme", "name": "Acme", "members": {"ed": "editor", "vera": "viewer"}},
        {"slug": "globex", "name": "Globex", "members": {"otto": "editor"}},
        {"slug": "initech", "name": "Initech", "members": {"eve": "editor"}},
    ],
    "models": [
        {
            "model_id": model_id,
            "organization": organization,
            "name": model_id,
            "task_type": "classification",
            "promoted": "ver-00001",
            "versions": [
                {
                    "version_id": f"ver-{number:05x}",
                    "state": "completed",
                    "completed_at": EVALUATED_AT,
                    "snapshots": [{"dataset_split": "test", "metrics": METRICS, "evaluated_at": EVALUATED_AT}],
                }
                for number in range(1, versions + 1)
            ],
        }
        for model_id, organization, versions in (
            (SUMMARIZED, "acme", 2),
            (SCREENED, "acme", 1),
            (COMPARED, "acme", COMPARED_VERSIONS + 1),
            ("mdl-00000000b1", "globex", 1),
        )
    ],
}


@dataclass(frozen=True)
class Loader:
    """Stores evaluations through the service's own code, which is imported once Django is set up."""

    folder: Path

    def load(self, *, large: bool) -> dict[str, str]:
        """Return each user's token once everything is stored."""
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        (self.folder / "seed.json").write_text(json.dumps(DOCUMENT))
        call_command("seed", str(self.folder / "seed.json"), stdout=io.StringIO())
        if large:
            self.store_large()
        return {name: self.token(name) for name in USERS}

    def store_large(self) -> None:
        """Store an evaluation of many classes, and some whose predictions are kept."""
        self.store(SCREENED, 1, None, **of_many_classes())
        for number in range(2, COMPARED_VERSIONS + 2):  # the promoted version has none: the worker compares with that
            self.store(COMPARED, number, self.predictions(number), rows=ROWS, sample_count=ROWS)

    def store(self, model_id: str, number: int, file: Path | None, **evaluated: Any) -> None:
        """Store an evaluation of a version, with the predictions that are kept of it."""
        from models_registry.registry.models import Version
        from performance.evaluations.services import store_evaluation
        from performance.metrics.engines.duckdb import DuckDB
        from performance.metrics.result import Evaluation
        from performance.snapshots import prediction_store

        several = "per_class" in evaluated
        choices = {"averaging": "weighted"} if several else {"averaging": "binary", "positive_class": "yes"}
        evaluation: dict[str, Any] = {"metrics": METRICS, "confidence_intervals": {}, **choices, **evaluated}
        store_evaluation(
            version=Version.objects.select_related("model").get(model=model_id, number=number),
            dataset_split="test",
            evaluation=Evaluation(**evaluation),
            engine=DuckDB,
            digest="0" * 64,
            predictions_digest=prediction_store.put(file) if file else None,
            created_by="ed",
        )

    def predictions(self, number: int) -> Path:
        """Return a file as the service keeps it, of the same examples for every version."""
        import duckdb

        file = self.folder / f"{number}.parquet"
        duckdb.execute(
            f"""
            COPY (
                SELECT format('{{:09d}}', i) AS example_id, if(hash(i) % 2 = 0, 'yes', 'no') AS actual,
                    if(hash(i, {number}) % 4 = 0, 'yes', actual) AS predicted,
                    (hash(i, {number}, 'score') % 1000000) / 1000000 AS score
                FROM range({ROWS}) numbered(i)
            ) TO '{file}' (FORMAT parquet)
            """  # noqa: S608
        )
        return file

    def token(self, name: str) -> str:
        """Return an access token that outlives the load."""
        from django.core.management import call_command

        printed = io.StringIO()
        call_command("token", name, "--lifetime", "2h", stdout=printed)
        return printed.getvalue().strip()


def of_many_classes() -> dict[str, Any]:
    """Return what an evaluation of a thousand classes comes to."""
    labels = [f"species {number:04}" for number in range(LABELS)]
    counts = [[(row * column) % 7 for column in range(LABELS)] for row in range(LABELS)]
    total = sum(map(sum, counts))
    thirds = [number / 3 for number in range(3)]
    roc = [
        {"false_positive_rate": at / 199, "true_positive_rate": thirds[at % 3], "threshold": at / 300}
        for at in range(200)
    ]
    precision_recall = [{"recall": at / 199, "precision": thirds[at % 3], "threshold": at / 300} for at in range(200)]
    drawn = labels[:20]
    return {
        "rows": total,
        "sample_count": total,
        "confusion_matrix": {"labels": labels, "counts": counts},
        "per_class": {
            label: {"precision": 1 / 3, "recall": 2 / 3, "f1_score": 0.4, "roc_auc": 0.9, "support": 3.0}
            for label in labels
        },
        "curves": {
            "roc": dict.fromkeys(drawn, roc),
            "precision_recall": dict.fromkeys(drawn, precision_recall),
        },
    }


if __name__ == "__main__":
    django.setup()
    with tempfile.TemporaryDirectory() as own:
        print(json.dumps(Loader(Path(own)).load(large="--large" in sys.argv)))
