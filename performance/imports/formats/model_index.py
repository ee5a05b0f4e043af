"""The `model-index` of a model card of the Hugging Face Hub: Markdown that begins with YAML."""

from performance.imports.document import (
    ImportedDocument,
    ImportedModel,
    ImportedSnapshot,
    ImportedVersion,
    ReadError,
    SkippedItem,
    SourceFile,
)
from performance.imports.formats import Format
from performance.imports.metric_names import split_of
from performance.imports.nodes import Node, check_length, yaml_document

FENCE = "---"

# The ends of the Hub's names of tasks, and our task types.
_TASK_TYPES = {
    "classification": "classification",
    "regression": "regression",
    "forecasting": "forecasting",
    "ranking": "ranking",
    "clustering": "clustering",
    "detection": "object_detection",
    "generation": "text_generation",
}


def read(file: SourceFile) -> ImportedDocument:
    """Return the models of a card, with a snapshot a dataset and split. Raises `ReadError`."""
    card = yaml_document(_front_matter(file))
    skipped: list[SkippedItem] = []
    models = [_model(each, skipped) for each in card.get("model-index").items()]
    if not models:
        raise ReadError("model-index", "The card has none.")
    return ImportedDocument(models, skipped)


def _front_matter(file: SourceFile) -> str:
    check_length(file.content)
    try:
        lines = file.content.decode("utf-8-sig").splitlines()
    except UnicodeError:
        raise ReadError("", "It is not UTF-8.") from None
    if not lines or lines[0].rstrip() != FENCE:
        return "\n".join(lines)  # metadata alone
    ends = [index for index, line in enumerate(lines[1:], start=1) if line.rstrip() == FENCE]
    if not ends:
        raise ReadError("line 1", "The metadata that begin here have no end: a line of three dashes.")
    return "\n".join(lines[1 : ends[0]])


def _model(model: Node, skipped: list[SkippedItem]) -> ImportedModel:
    groups: dict[tuple[str, str, str], list[Node]] = {}
    task = ""
    for result in model.get("results").items():
        dataset = result.get("dataset")
        name = dataset.get("name").text() or dataset.get("type").text()
        key = name, dataset.get("split").text(), dataset.get("revision").text()
        groups.setdefault(key, []).append(result)
        task = task or result.get("task", "type").text()
    snapshots = [_snapshot(key, results, skipped) for key, results in groups.items()]
    version = ImportedVersion(model.place, [each for each in snapshots if each.values])
    name = model.get("name").text()
    return ImportedModel(model.place, [version], name=name, task_type=_TASK_TYPES.get(task.rpartition("-")[2], ""))


def _snapshot(key: tuple[str, str, str], results: list[Node], skipped: list[SkippedItem]) -> ImportedSnapshot:
    dataset, split, revision = key
    values: dict[str, float] = {}
    for metric in (metric for result in results for metric in result.get("metrics").items()):
        name, value = metric.get("type").text() or metric.get("name").text(), metric.get("value")
        if not value.is_number:  # the Hub takes anything, such as "20.0 ± 1.2"
            skipped.append(SkippedItem(value.place, "Is not a number."))
        elif not name or name in values:
            raise metric.error("Must have a `type` that no other metric of the dataset has.")
        else:
            values[name] = value.number()
    return ImportedSnapshot(
        place=results[0].place,
        values=values,
        dataset_split=split_of(split) or ("test" if split else None),
        dataset=dataset,
        dataset_version=revision,
    )


FORMAT = Format(
    name="model-index",
    description="the model-index of a model card of the Hugging Face Hub",
    suffixes=(".md", ".yaml", ".yml"),
    read=read,
)
