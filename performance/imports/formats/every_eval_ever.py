"""Evaluations in the schema of Every Eval Ever, as JSON."""

from performance.imports.document import ImportedDocument, ImportedModel, ImportedSnapshot, ImportedVersion, SourceFile
from performance.imports.formats import Format
from performance.imports.metric_names import split_of
from performance.imports.nodes import Node, json_document

Key = tuple[str, str, str]  # the dataset, its split and the time


def read(file: SourceFile) -> ImportedDocument:
    """Return the scores of a model: a snapshot for each dataset, split and time. Raises `ReadError`."""
    document = json_document(file)
    results = document.get("evaluation_results").items()
    model = document.get("model_info")
    name = model.get("id").text() or model.get("name").text()
    if not results or not name:
        raise document.error("Must have `model_info` with an `id`, and `evaluation_results`.")
    groups: dict[Key, list[Node]] = {}
    for result in results:
        groups.setdefault(_key(document, result), []).append(result)
    version = ImportedVersion("evaluation_results", [_snapshot(key, of) for key, of in groups.items()], key=name)
    return ImportedDocument([ImportedModel("model_info", [version], name=name, task_type="text_generation")])


def _key(document: Node, result: Node) -> Key:
    source = result.get("source_data")
    dataset = source.get("dataset_name").text() or result.get("evaluation_name").text()
    evaluated_at = result.get("evaluation_timestamp").text() or document.get("evaluation_timestamp").text()
    return dataset, split_of(source.get("hf_split").text()) or "test", evaluated_at


def _snapshot(key: Key, results: list[Node]) -> ImportedSnapshot:
    dataset, split, evaluated_at = key
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    for result in results:
        name = _name(result)
        if name in values:
            name = f"{result.get('evaluation_name').text()}.{name}"
        if name in values:
            raise result.error("Another result of the dataset has the same names.")
        details = result.get("score_details")
        values[name] = details.get("score").number()
        error = details.get("uncertainty", "standard_error", "value")
        if error.value is not None:
            errors[name] = error.number()
    counts = {count for each in results if (count := _sample_count(each)) is not None}
    return ImportedSnapshot(
        place=results[0].place,
        values=values,
        standard_errors=errors,
        dataset_split=split,
        dataset=dataset,
        sample_count=counts.pop() if len(counts) == 1 else None,
        evaluated_at=Node(evaluated_at, f"{results[0].place}.evaluation_timestamp").time(),
    )


def _name(result: Node) -> str:
    config = result.get("metric_config")
    names = (config.get(name).text() for name in ("metric_id", "metric_name", "metric_kind"))
    return next(filter(None, names), "") or result.get("evaluation_name").text() or "score"


def _sample_count(result: Node) -> int | None:
    samples = result.get("score_details", "uncertainty", "num_samples").count()
    return samples or result.get("source_data", "samples_number").count()


FORMAT = Format(
    name="every-eval-ever",
    description="evaluations in the schema of Every Eval Ever",
    suffixes=(".json",),
    read=read,
)
