"""`manage.py import FORMAT FILE… [--dry-run]`: what each format becomes, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel, Version
from performance.imports.formats import FORMATS
from performance.snapshots.models import MetricSnapshot

pytestmark = pytest.mark.django_db
FILES = Path("fixtures/imports")

Numbers = dict[tuple[str, str, str], tuple[dict[str, float], dict[str, float], int | None]]
Import = Callable[..., str]


@pytest.fixture
def import_(acme: Organization, capsys: pytest.CaptureFixture[str]) -> Import:
    """A function that runs the command and returns what it prints."""

    def run(format: str, *arguments: object) -> str:
        call_command("import", format, *map(str, arguments))
        return capsys.readouterr().out

    return run


def numbers(model: str) -> Numbers:
    """Return the metrics, the custom metrics and the sample count of a model's snapshots, by where they are of."""
    snapshots = MetricSnapshot.objects.filter(version__model__name=model).select_related("version", "detail")
    return {
        (each.version.version_id, each.dataset_split, each.dataset): (
            each.all_metrics,
            each.details.custom_metrics,
            each.sample_count,
        )
        for each in snapshots
    }


def intervals(model: str, metric: str) -> list[str]:
    """Return the methods of a metric's intervals."""
    snapshots = MetricSnapshot.objects.filter(version__model__name=model, detail__isnull=False)
    found = (each.detail.confidence_intervals.get(metric) for each in snapshots)
    return [each["method"] for each in found if each]


def test_what_each_format_becomes(import_: Import) -> None:
    assert import_("sklearn-report", FILES / "sklearn-report.json", "--model", "churn").endswith(
        "created: 1 models, 1 versions, 1 snapshots; unchanged: nothing\n"
    )
    report = json.loads((FILES / "sklearn-report.json").read_text())
    metrics, custom, count = numbers("churn")["ver-00001", "test", ""]
    weighted = report["weighted avg"]
    assert metrics == {
        "accuracy": 0.85,
        "precision": weighted["precision"],
        "recall": weighted["recall"],
        "f1_score": weighted["f1-score"],
    }
    assert (custom["macro_recall"], count) == (report["macro avg"]["recall"], 20)
    details = MetricSnapshot.objects.get().details
    assert details.per_class["yes"] == {"precision": 0.9, "recall": 9 / 11, "f1_score": 6 / 7, "support": 11}
    assert (details.averaging, intervals("churn", "accuracy")) == ("weighted", ["wilson"])

    import_("dvc", FILES / "dvc.json", "--model", "posts")
    assert numbers("posts") == {
        ("ver-00001", "train", ""): ({"average_precision": 0.9612, "roc_auc": 0.9823}, {}, None),
        ("ver-00001", "test", ""): (
            {"average_precision": 0.8841, "roc_auc": 0.9177},
            {"epochs": 12},
            None,
        ),
    }

    import_("csv", FILES / "table.csv")
    assert numbers("tickets") == {
        ("ver-00001", "test", "october"): ({"accuracy": 0.8125, "log_loss": 0.41}, {"latency_ms": 12.5}, 800),
        ("ver-00001", "validation", ""): ({"accuracy": 0.8275, "log_loss": 0.39}, {}, 400),
        ("ver-00002", "test", "november"): ({"accuracy": 0.825, "log_loss": 0.4}, {"latency_ms": 11.25}, 820),
    }

    import_("lm-eval", FILES / "lm-eval.json")
    parrot = numbers("acme/parrot-1b")
    assert parrot["ver-00001", "test", "trivia"] == (
        {},
        {
            "exact_match@strict": 0.31,
            "exact_match@strict_stderr": 0.0146,
            "exact_match@flexible": 0.36,
            "exact_match@flexible_stderr": 0.0152,
        },
        1000,
    )
    assert parrot["ver-00001", "test", "riddles"] == ({}, {"acc": 0.625, "acc_stderr": 0.0153, "acc_norm": 0.64}, 1000)
    assert parrot["ver-00001", "test", "novels"] == ({"perplexity": 9.75}, {}, None)
    assert intervals("acme/parrot-1b", "perplexity") == ["reported standard error"]
    assert Version.objects.get(model__name="acme/parrot-1b").parameters["dtype"] == "bfloat16"

    import_("every-eval-ever", FILES / "every-eval-ever.json")
    assert numbers("acme/parrot-1b")["ver-00002", "test", "trivia"] == (
        {"exact_match": 0.42},
        {"judge.score": 6.5},
        500,
    )

    printed = import_("model-index", FILES / "model-index.md")
    assert "skipped: model-index.0.results.1.metrics.1.value: Is not a number." in printed
    assert numbers("leaf-vision") == {
        ("ver-00001", "test", "Leaves"): ({"accuracy": 0.914}, {"f1_score_percent": 90.2}, None),
        ("ver-00001", "validation", "Leaves"): ({"accuracy": 0.921}, {}, None),
    }
    assert RegisteredModel.objects.get(name="leaf-vision").task_type == "classification"

    import_("eval-results", FILES / "eval-results.yaml", "--model", "acme/parrot-1b")
    parrot = numbers("acme/parrot-1b")
    assert parrot["ver-00003", "test", "acme/trivia"][1] == {"trivia_hard": 41.5}
    assert parrot["ver-00003", "test", "acme/riddles"][1] == {"riddles With tools": 62.5}

    assert set(MetricSnapshot.objects.values_list("source", "created_by")) == {("imported", "")}
    assert set(Version.objects.values_list("state", flat=True)) == {"completed"}


def test_importing_again_changes_nothing_and_a_dry_run_says_so_before(import_: Import, tmp_path: Path) -> None:
    def rows() -> list[int]:
        return [table.objects.count() for table in (RegisteredModel, Version, MetricSnapshot)]

    would = import_("csv", FILES / "table.csv", "--dry-run")
    assert rows() == [0, 0, 0]
    assert would.endswith("would be created: 1 models, 2 versions, 3 snapshots; unchanged: nothing\n")
    assert import_("csv", FILES / "table.csv") == would.replace("would be created", "created")
    import_("lm-eval", FILES / "lm-eval.json")
    import_("dvc", FILES / "dvc.json", "--model", "posts")
    before = rows()
    for format, *arguments in (
        ("csv", FILES / "table.csv"),
        ("lm-eval", FILES / "lm-eval.json"),
        ("dvc", FILES / "dvc.json", "--model", "posts"),
    ):
        assert "created: 0 models, 0 versions, 0 snapshots; unchanged: 1 models" in import_(format, *arguments)
    assert rows() == before

    more = tmp_path / "more.csv"
    more.write_text((FILES / "table.csv").read_text() + "tickets,classification,2026-11,train,,,,0.9,,\n")
    assert "created: 0 models, 0 versions, 1 snapshots; unchanged: 1 versions, 3 snap" in import_("csv", more)


def test_a_folder_or_pattern_is_read_without_following_links(import_: Import, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (inside / "deep" / "a.json").write_text('{"accuracy": 0.5}')
    (outside / "b.json").write_text('{"accuracy": 0.6}')
    (inside / "link.json").symlink_to(outside / "b.json")
    (inside / "folder").symlink_to(outside)
    import_("dvc", inside, "--model", "a", "--task-type", "classification")
    assert [*numbers("a").values()] == [({"accuracy": 0.5}, {}, None)]
    import_("dvc", tmp_path / "*" / "*.json", "--model", "b", "--split", "train")
    assert [key[1] for key in numbers("b")] == ["train"]


DEEP = "[" * 40 + "]" * 40
BOMB = "a: &a [1]\nb: [*a, *a]\n"
REFUSED: list[tuple[str, str, str, str]] = [
    # format, name, content, what is said
    ("dvc", "a.json", '{"accuracy": NaN}', "a.json cannot be imported: the document: .*NaN is not JSON"),
    ("dvc", "a.json", '{"accuracy": 1e999}', "too large for a double"),
    ("dvc", "a.json", f'{{"a": {DEEP}}}', "deeper than 32"),
    ("dvc", "a.json", '{"test": {"accuracy": "high"}}', "test.accuracy: Must be an object"),
    ("dvc", "a.json", '{"latency": 3}', "of no single task type"),
    ("dvc", "a.json", "{}", "holds nothing to import"),
    ("dvc", "a.json", '{"accuracy": 0.5, "acc": {"x": ' + "1" * 400 + "}}", "too large for a double"),
    ("dvc", "a.yaml", BOMB, "holds an alias"),
    ("dvc", "a.yaml", "accuracy: .nan\n", "accuracy: Must be a finite number"),
    ("dvc", "a.yaml", "accuracy: 0x" + "f" * 9000, "accuracy: Must be a finite number"),
    ("eval-results", "a.yaml", "- value: 3\n  dataset: {id: 0x" + "f" * 9000 + "}\n", "0.dataset.id: Must be a finite"),
    ("dvc", "a.yaml", "a: " + DEEP, "deeper than 32"),
    ("dvc", "a.yaml", "a: [" + "1," * 50_000 + "]", "more than 50000 values"),
    ("dvc", "a.json", "\x00", "not JSON"),
    ("csv", "a.csv", "accuracy\nx\n", "row 2, column accuracy: Must be a number"),
    ("csv", "a.csv", "accuracy\nnan\n", "Must be a finite number"),
    ("csv", "a.csv", "accuracy,accuracy\n1,1\n", "row 1: Must name up to 200 columns, each once"),
    ("csv", "a.csv", "accuracy,split\n1,dev set\n", "Must be train, validation or test"),
    ("csv", "a.csv", "accuracy,evaluated_at\n1,soon\n", "Must be a time"),
    ("csv", "a.csv", "accuracy,evaluated_at\n1,2999-01-01\n", "evaluated_at: Must not be in the future"),
    ("csv", "a.csv", "accuracy,log_loss\n1\n", "row 2: Has 1 cells"),
    ("csv", "a.csv", "accuracy,model\n1,a\n1," + "b" * 300 + "\n", "row 3: The model's name"),
    ("sklearn-report", "a.json", '{"a": {"precision": 1}}', "It is no classification report"),
    ("lm-eval", "a.json", '{"results": {"t": {"acc": 1}}}', "names no model"),
    ("lm-eval", "a.json", '{"results": [1]}', "results: Must be an object"),
    ("every-eval-ever", "a.json", '{"model_info": {"id": "x"}, "evaluation_results": [{}]}', "0.score_details.score"),
    ("model-index", "a.md", "---\nmodel-index:\n- name: x\n", "line 1: The metadata"),
    ("model-index", "a.md", "# A card\n", "The card has none|Must be an object"),
    ("eval-results", "a.yaml", "- value: 3\n", "0.dataset: Must have an `id`"),
]


def test_a_classification_report_is_of_the_positive_class_that_the_model_declares(
    import_: Import, tmp_path: Path
) -> None:
    import_("sklearn-report", FILES / "sklearn-report.json", "--model", "churn")
    RegisteredModel.objects.update(positive_class="yes")

    import_("sklearn-report", FILES / "sklearn-report.json", "--model", "churn")

    report = json.loads((FILES / "sklearn-report.json").read_text())
    metrics, custom, _ = numbers("churn")["ver-00002", "test", ""]
    assert metrics == {"accuracy": 0.85, "precision": 0.9, "recall": 9 / 11, "f1_score": 6 / 7}
    assert custom["macro_recall"] == report["macro avg"]["recall"]
    details = MetricSnapshot.objects.get(version__number=2).details
    assert (details.averaging, details.positive_class) == ("binary", "yes")
    report["maybe"] = report["no"]
    (tmp_path / "three.json").write_text(json.dumps(report))
    with pytest.raises(CommandError, match="per_class"):
        import_("sklearn-report", tmp_path / "three.json", "--model", "churn")
    RegisteredModel.objects.update(positive_class="other")
    with pytest.raises(CommandError, match="evaluation_options.averaging"):
        import_("sklearn-report", FILES / "sklearn-report.json", "--model", "churn")


def test_what_cannot_be_read_is_named_by_file_and_place_and_nothing_is_stored(import_: Import, tmp_path: Path) -> None:
    for format, name, content, message in REFUSED:
        file = tmp_path / name
        file.write_text(content)
        options = [] if "names no model" in message else ["--model", "m"]
        with pytest.raises(CommandError, match=message) as refused:
            import_(format, file, *options)
        assert str(file) in str(refused.value)
    (tmp_path / "large.json").write_bytes(b" " * (8 * 2**20 + 1))
    with pytest.raises(CommandError, match="is over 8388608 bytes"):
        import_("dvc", tmp_path / "large.json")
    with pytest.raises(CommandError, match="There is no file"):
        import_("dvc", tmp_path / "none.json")
    Organization.objects.create(slug="initech", name="Initech")
    with pytest.raises(CommandError, match="Name one: --organization"):
        import_("dvc", FILES / "dvc.json")
    assert not RegisteredModel.objects.exists()


def test_each_format_survives_any_document(import_: Import, tmp_path: Path) -> None:
    values: list[Any] = [None, 1, "x", [], {}, [[]], [{}], {"a": []}, {"a": {"b": [1]}}, True]
    keys = ("results", "model-index", "evaluation_results", "model_info", "weighted avg", "config", "a", "dataset")
    documents = [*values, *({key: value} for key in keys for value in values), *(dict.fromkeys(keys, 1),)]
    for name, format in FORMATS.items():
        for document in documents:
            file = tmp_path / f"a{format.suffixes[-1]}"
            file.write_text(yaml.safe_dump(document) if file.suffix != ".json" else json.dumps(document))
            try:
                import_(name, file, "--model", "m", "--dry-run")
            except CommandError as error:
                assert "cannot be imported" in str(error)  # noqa: PT017


EXPORT = FILES / "mlflow-export"


def write_mlruns(folder: Path) -> None:
    """Write what a tracking client stores: a registered version with its run, a second run, and links to elsewhere."""
    texts = {
        "1/meta.yaml": "experiment_id: '1'\nname: routing\n",
        "1/r1/meta.yaml": "run_id: r1\nrun_name: fox\nstatus: 3\nend_time: 1793000001000\nlifecycle_stage: active\n",
        "1/r1/metrics/test_accuracy": "1793000000100 0.7 0\n1793000000200 0.75 1\n",
        "1/r1/metrics/val/loss": "1793000000100 nan 0\n",
        "1/r1/params/depth": "3",
        "1/r2/meta.yaml": "run_id: r2\nstatus: 3\nend_time: 1793000002000\nlifecycle_stage: active\n",
        "1/r2/metrics/accuracy": "1793000000100 0.6 0\n",
        "models/router/meta.yaml": "name: router\ndescription: Routes.\n",
        "models/router/version-1/meta.yaml": "version: 1\nrun_id: r1\ncurrent_stage: Staging\n",
        "models/router/aliases/best": "1",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "1" / "r1" / "metrics" / "passwd").symlink_to("/etc/passwd")
    (folder / "1" / "r3").symlink_to("/etc")


def test_folders_of_mlflow_become_models_and_versions(import_: Import, tmp_path: Path) -> None:
    printed = import_("mlflow", EXPORT)
    assert "skipped: version 3: Its run is not there" in printed
    assert "skipped: experiments/1/bbbb/run.json: The metric test_roc_auc is no finite number." in printed
    assert "skipped: experiments/1/cccc/run.json: The run is failed." in printed
    assert numbers("ticket-router") == {
        ("ver-00001", "train", ""): ({"accuracy": 0.95}, {}, None),
        ("ver-00001", "test", "tickets-2026-10"): ({"accuracy": 0.81}, {}, None),
        ("ver-00002", "test", ""): ({"accuracy": 0.83}, {}, None),
    }
    first, second = Version.objects.filter(model__name="ticket-router").order_by("number")
    assert (first.parameters["max_depth"], first.source_uri) == ("3", "runs:/aaaa")
    assert second.tags == ["alias:champion", "stage:Production"]
    assert "created: 0 models, 0 versions, 0 snapshots" in import_("mlflow", EXPORT)

    write_mlruns(tmp_path)
    import_("mlflow", tmp_path)
    assert numbers("router") == {("ver-00001", "test", ""): ({"accuracy": 0.75}, {}, None)}
    assert numbers("routing") == {("ver-00001", "test", ""): ({"accuracy": 0.6}, {}, None)}
    assert Version.objects.get(model__name="router").tags == ["alias:best", "stage:Staging"]

    (tmp_path / "1" / "r2" / "metrics" / "accuracy").write_text("soon 1\n")
    with pytest.raises(CommandError, match=r"1/r2/metrics/accuracy, line 1: Must be a timestamp"):
        import_("mlflow", tmp_path)
    with pytest.raises(CommandError, match="is no run that mlflow-export-import wrote"):
        import_("mlflow", EXPORT / "models" / "tickets" / "model.json")
    import_("mlflow", EXPORT / "experiments" / "1" / "bbbb" / "run.json", "--model", "single")
    assert numbers("single") == {("ver-00001", "test", ""): ({"accuracy": 0.83}, {}, None)}
