"""MLflow: a run that mlflow-export-import wrote, or the whole folder. A tracking server is read by the command."""

from performance.imports.document import ImportedDocument, ReadError, SourceFile
from performance.imports.formats import Format
from performance.imports.mlflow.documents import read_run
from performance.imports.mlflow.folders import read_folder
from performance.imports.mlflow.runs import experiment
from performance.imports.nodes import json_document


def read(file: SourceFile) -> ImportedDocument:
    """Return an exported run as a version, of the model that the caller names. Raises `ReadError`."""
    document = json_document(file).get("mlflow")
    if document.get("info").value is None:
        raise ReadError("mlflow.info", "It is no run that mlflow-export-import wrote: run.json. Import its folder.")
    return experiment("", [read_run(document, "mlflow")])


FORMAT = Format(
    name="mlflow",
    description="a run.json of mlflow-export-import; the command also reads its folders, mlruns and tracking servers",
    suffixes=(".json",),
    read=read,
    read_folder=read_folder,
)
