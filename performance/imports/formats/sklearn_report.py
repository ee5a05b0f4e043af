"""scikit-learn's `classification_report(output_dict=True)`, as JSON."""

from performance.imports.document import (
    ImportedDocument,
    ImportedModel,
    ImportedSnapshot,
    ImportedVersion,
    ReadError,
    SourceFile,
)
from performance.imports.formats import Format
from performance.imports.nodes import Node, json_document

AVERAGES = ("micro avg", "macro avg", "weighted avg", "samples avg")
_NAMES = {"precision": "precision", "recall": "recall", "f1-score": "f1_score", "support": "support"}


def read(file: SourceFile) -> ImportedDocument:
    """Return the metrics of each class, and their averages weighted by class. Raises `ReadError`."""
    report = json_document(file).members()
    labels = [label for label in report if label not in {*AVERAGES, "accuracy"}]
    if not labels or "weighted avg" not in report:
        raise ReadError("", "It is no classification report, which has classes and `weighted avg`.")
    classes = {label: _metrics(report[label]) for label in labels}
    weighted = _metrics(report["weighted avg"])
    support = report["weighted avg"].get("support").count()
    values = {name: value for name, value in weighted.items() if name != "support"}
    if "accuracy" in report:
        values["accuracy"] = report["accuracy"].number()
    for average in ("macro avg", "micro avg"):
        if average in report:
            of_average = _metrics(report[average]).items()
            values |= {f"{average[:5]}_{name}": value for name, value in of_average if name != "support"}
    snapshot = ImportedSnapshot(
        place="",
        values=values,
        per_class=classes,
        evaluation_options={"averaging": "weighted"},
        sample_count=support if "accuracy" in report else None,  # otherwise some labels were left out
    )
    return ImportedDocument([ImportedModel("", [ImportedVersion("", [snapshot])], task_type="classification")])


def _metrics(node: Node) -> dict[str, float]:
    """Return the metrics of a class or an average, by our names. Raises `ReadError`."""
    return {ours: node.get(theirs).number() for theirs, ours in _NAMES.items()}


FORMAT = Format(
    name="sklearn-report",
    description="scikit-learn's classification_report(output_dict=True), as JSON",
    suffixes=(".json",),
    read=read,
)
