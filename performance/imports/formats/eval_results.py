"""A file of the folder `.eval_results` of a model of the Hugging Face Hub, as YAML."""

from performance.imports.document import ImportedDocument, ImportedModel, ImportedSnapshot, ImportedVersion, SourceFile
from performance.imports.formats import Format
from performance.imports.nodes import Node, check_length, yaml_document

KEY = ".eval_results"  # all files of a model are of one version


def read(file: SourceFile) -> ImportedDocument:
    """Return a snapshot for each result, with one metric that is named after the task. Raises `ReadError`."""
    check_length(file.content)
    results = yaml_document(file.content).items()
    version = ImportedVersion("", [_snapshot(result) for result in results], key=KEY)
    return ImportedDocument([ImportedModel("", [version], task_type="text_generation")] if results else [])


def _snapshot(result: Node) -> ImportedSnapshot:
    dataset = result.get("dataset")
    name, notes = dataset.get("id").text(), result.get("notes").text()
    if not name:
        raise dataset.error("Must have an `id`.")
    metric = dataset.get("task_id").text() or "value"
    return ImportedSnapshot(
        place=result.place,
        values={f"{metric} {notes}".strip(): result.get("value").number()},
        dataset_split="test",
        dataset=name,
        dataset_version=dataset.get("revision").text(),
        evaluated_at=result.get("date").time(),
    )


FORMAT = Format(
    name="eval-results",
    description="a file of the folder .eval_results of a model of the Hugging Face Hub",
    suffixes=(".yaml", ".yml"),
    read=read,
)
