"""Read a local `mlruns` folder, or a folder of mlflow-export-import. No link is followed, no artefact opened."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from performance.imports.document import ImportedDocument, ReadError
from performance.imports.folders import MAX_FILES, files_in, read_file
from performance.imports.mlflow.documents import by_number, read_run, read_version
from performance.imports.mlflow.runs import LoggedDataset, RegisteredVersion, Run, experiment, registered_model
from performance.imports.nodes import Node, json_document, yaml_document

META = "meta.yaml"
MODELS, TRASH = "models", ".trash"
STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}

Documents = Iterator[tuple[str, ImportedDocument]]  # each with a name for messages


def read_folder(folder: Path) -> Documents:
    """Yield each registered model, and each experiment with the runs that no registered version has.

    Raises `ReadError`, whose place begins with the file.
    """
    is_tracked = any((each / META).is_file() for each in _folders(folder))
    yield from _tracked(folder) if is_tracked else _exported(folder)


def _exported(folder: Path) -> Documents:
    """Yield what `export-model`, `export-experiment` and their siblings wrote."""
    runs: dict[str, tuple[Path, Run]] = {}
    models: list[Node] = []
    names: dict[Path, str] = {}
    for path in files_in(folder, (".json",)):
        with _named(folder, path) as place:
            if path.name == "run.json":
                run = read_run(json_document(read_file(path)).get("mlflow"), place)
                runs[run.run_id] = path, run
            elif path.name == "model.json":
                models.append(json_document(read_file(path)).get("mlflow", "registered_model"))
            elif path.name == "experiment.json":
                names[path.parent] = json_document(read_file(path)).get("mlflow", "experiment", "name").text()
    found = {run_id: run for run_id, (_, run) in runs.items()}
    used: set[str] = set()
    for model in models:
        versions = by_number([read_version(each) for each in model.get("versions").items()])
        used |= {version.run_id for version in versions}
        name = model.get("name").text()
        yield name, registered_model(name, model.get("description").text(), versions, found)
    for parent, name in names.items():
        rest = [run for path, run in runs.values() if parent in path.parents and run.run_id not in used]
        if rest and name:
            yield name, experiment(name, rest)


def _tracked(folder: Path) -> Documents:
    """Yield what a tracking client stored in its folder."""
    experiments = [each for each in _folders(folder) if each.name not in {MODELS, TRASH} and (each / META).is_file()]
    runs = {each: [_run(folder, path) for path in _folders(each) if (path / META).is_file()] for each in experiments}
    found = {run.run_id: run for of_experiment in runs.values() for run in of_experiment}
    used: set[str] = set()
    for path in _folders(folder / MODELS):
        if (path / META).is_file():
            meta = _meta(folder, path)
            versions = by_number(list(_versions(folder, path)))
            used |= {version.run_id for version in versions}
            name = meta.get("name").text()
            yield name, registered_model(name, meta.get("description").text(), versions, found)
    for path, of_experiment in runs.items():
        rest = [run for run in of_experiment if run.run_id not in used]
        if rest:
            name = _meta(folder, path).get("name").text()
            yield name, experiment(name, rest)


def _versions(folder: Path, model: Path) -> Iterator[RegisteredVersion]:
    aliases: dict[str, list[str]] = {}
    for path in files_in(model / "aliases"):
        aliases.setdefault(_text(folder, path), []).append(path.name)
    for path in _folders(model):
        if not path.name.startswith("version-") or not (path / META).is_file():
            continue
        meta = _meta(folder, path)
        number = meta.get("version").text()
        yield RegisteredVersion(
            number=number,
            run_id=meta.get("run_id").text(),
            place=_place(folder, path),
            description=meta.get("description").text(),
            stage=meta.get("current_stage").text(),
            aliases=tuple(aliases.get(number, ())),
        )


def _run(folder: Path, path: Path) -> Run:
    meta = _meta(folder, path)
    metrics = {name: _last_value(folder, file) for name, file in _named_files(path / "metrics")}
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    status = meta.get("status")
    return Run(
        run_id=meta.get("run_id").text(),
        place=_place(folder, path),
        name=meta.get("run_name").text(),
        status=STATUSES.get(status.count() or 0, status.text()),
        ended_at=meta.get("end_time").time(),
        metrics=finite,
        params={name: _text(folder, file) for name, file in _named_files(path / "params")},
        datasets=list(_datasets(folder, path)),
        undefined=[name for name in metrics if name not in finite],
        is_deleted=meta.get("lifecycle_stage").text() == "deleted",
    )


def _datasets(folder: Path, run: Path) -> Iterator[LoggedDataset]:
    """Yield the datasets that a run's inputs name. They are in the folder of the experiment."""
    for path in _folders(run / "inputs"):
        if not (path / META).is_file():
            continue
        meta = _meta(folder, path)
        source = run.parent / "datasets" / Path(meta.get("source_id").text()).name
        if not (source / META).is_file() or source.is_symlink():
            continue
        dataset = _meta(folder, source)
        context = meta.get("tags", "mlflow.data.context").text()
        yield LoggedDataset(dataset.get("name").text(), dataset.get("digest").text(), context)


def _named_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder with their names. A slash in a name separates folders."""
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        if not name.isprintable():
            raise ReadError(folder.name, "Holds a file whose name has unprintable characters.")
        yield name, path


def _last_value(folder: Path, path: Path) -> float:
    """Return the last value of a metric's history: lines of timestamp, value and step."""
    place = _place(folder, path)
    best: tuple[int, int, float] | None = None
    for number, line in enumerate(_text(folder, path).splitlines(), start=1):
        try:
            timestamp, value, *step = line.split()
            found = int(step[0]) if step else 0, int(timestamp), float(value)
        except ValueError:
            raise ReadError(f"{place}, line {number}", "Must be a timestamp, a value and a step.") from None
        best = found if best is None or found[:2] >= best[:2] else best
    if best is None:
        raise ReadError(place, "Holds no value.")
    return best[2]


def _meta(folder: Path, path: Path) -> Node:
    with _named(folder, path / META):
        return yaml_document(read_file(path / META).content)


def _text(folder: Path, path: Path) -> str:
    content = read_file(path).content
    try:
        text = content.decode().strip()
    except UnicodeError:
        raise ReadError(_place(folder, path), "It is not UTF-8.") from None
    if "\0" in text:
        raise ReadError(_place(folder, path), "It holds NUL.")
    return text


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, without links. Raises `ReadError` if there are too many."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    if len(found) > MAX_FILES:
        raise ReadError(folder.name, f"Holds more than {MAX_FILES} folders.")
    return found


@contextmanager
def _named(folder: Path, path: Path) -> Iterator[str]:
    """Provide the file's place, and put it before the place of a `ReadError` in the block."""
    place = _place(folder, path)
    try:
        yield place
    except ReadError as error:
        raise ReadError(f"{place}: {error.place}".removesuffix(": "), error.reason) from None


def _place(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
