"""The results of EleutherAI's lm-evaluation-harness, as JSON."""

from collections import Counter

from performance.imports.document import ImportedDocument, ImportedModel, ImportedSnapshot, ImportedVersion, SourceFile
from performance.imports.formats import Format
from performance.imports.nodes import Node, json_document

NO_FILTER = "none"
_STDERR = "_stderr"


def read(file: SourceFile) -> ImportedDocument:
    """Return one snapshot a task, with its standard errors. Raises `ReadError`.

    Since version 0.4, a metric's name ends with the filter of the answers, such as `exact_match,strict-match`.
    """
    document = json_document(file)
    tasks = document.get("results").members()
    if not tasks:
        raise document.get("results").error("Must hold the results of at least one task.")
    arguments = _arguments(document.get("config", "model_args"))
    name = document.get("model_name").text() or arguments.get("pretrained", "") or arguments.get("model", "")
    revision = document.get("config", "model_sha").text() or arguments.get("revision", "")
    version = ImportedVersion(
        place="results",
        snapshots=[found for name, task in tasks.items() if (found := _snapshot(document, name, task)).values],
        key=f"{name}@{revision}" if name else "",
        description=f"{name} {revision}".strip(),
        parameters={key: value for key, value in arguments.items() if key not in {"pretrained", "revision"}},
    )
    return ImportedDocument([ImportedModel("results", [version], name=name, task_type="text_generation")])


def _arguments(node: Node) -> dict[str, str]:
    """Return the arguments of the model: an object, or a text such as `pretrained=org/model,revision=main`."""
    if isinstance(node.value, dict):
        return {name: str(each.value) for name, each in node.members().items()}
    pairs = (pair.partition("=") for pair in node.text().split(","))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def _snapshot(document: Node, task: str, results: Node) -> ImportedSnapshot:
    numbers = {name: node for name, node in results.members().items() if node.is_number}
    filters = Counter(name.partition(",")[0] for name in numbers)
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    for name, node in numbers.items():
        metric, _, answer_filter = name.partition(",")
        plain = metric.removesuffix(_STDERR)
        is_error = metric != plain
        alone = filters[metric] == 1 or answer_filter == NO_FILTER
        ours = plain if alone else f"{plain}@{answer_filter}"
        (errors if is_error else values)[ours] = node.number()
    samples = document.get("n-samples").members().get(task)
    task_version = document.get("versions").members().get(task)
    return ImportedSnapshot(
        place=results.place,
        values=values,
        standard_errors=errors,
        dataset_split="test",
        dataset=task,
        dataset_version=task_version.text() if task_version else "",
        sample_count=samples.get("effective").count() if samples else None,
        evaluated_at=document.get("date").time(),
    )


FORMAT = Format(
    name="lm-eval",
    description="results of lm-evaluation-harness, with standard errors",
    suffixes=(".json",),
    read=read,
)
