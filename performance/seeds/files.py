"""Read seed documents from JSON and YAML files."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path

from models_registry.api.fields import ErrorTree, list_errors
from models_registry.api.strict_json import parse_json
from models_registry.api.strict_yaml import parse_yaml
from performance.seeds.document import (
    HeadDocument,
    ModelDocument,
    ModelValues,
    OrganizationValues,
    SeedError,
    UserValues,
)
from performance.seeds.json_slices import split_array

YAML_SUFFIXES = {".yaml", ".yml"}


@dataclass(frozen=True)
class SeedDocument:
    """A seed document. Its models are read into memory one at a time."""

    path: Path
    users: list[UserValues]
    organizations: list[OrganizationValues]
    model_readers: Sequence[Callable[[], object]]

    def models(self) -> Iterator[ModelValues]:
        """Yield the validated models until one is refused.

        The others are validated as well: at the end, raises `SeedError` with the errors of all models.
        """
        errors: list[str] = []
        seen: set[tuple[str, ...]] = set()
        for position, read_model in enumerate(self.model_readers):
            document = ModelDocument(data=read_model())
            if document.is_valid():
                model: ModelValues = document.validated_data
                errors += _repeats(self.path, model, seen)
                if not errors:
                    yield model
            else:
                errors += _error_lines(self.path, document.errors, f"models.{position}")
        if errors:
            raise SeedError("\n".join(errors))


def read_document(path: Path) -> SeedDocument:
    """Return the seed document in a JSON or YAML file. Raises `SeedError`."""
    try:
        head, model_readers = _read_yaml(path) if path.suffix.lower() in YAML_SUFFIXES else _read_json(path)
    except (OSError, ValueError) as error:
        raise SeedError(f"{path}: cannot be read: {error}") from None
    document = HeadDocument(data=head)
    if not document.is_valid():
        raise SeedError("\n".join(_error_lines(path, document.errors)))
    values = document.validated_data
    model_readers = [partial(copy, model) for model in values["models"]] + model_readers
    return SeedDocument(path, values["users"], values["organizations"], model_readers)


def _read_yaml(path: Path) -> tuple[object, list[Callable[[], object]]]:
    return parse_yaml(path.read_bytes()), []


def _read_json(path: Path) -> tuple[object, list[Callable[[], object]]]:
    """Return the document without its models, and a function for each model that reads it."""
    encoded = _mapped(path)
    head, models = split_array(encoded, "models")
    return parse_json(head), [partial(_read_model, path, encoded, start, end) for start, end in models]


def _read_model(path: Path, encoded: bytes | mmap, start: int, end: int) -> object:
    try:
        return parse_json(encoded[start:end])
    except ValueError as error:
        raise SeedError(f"{path}: cannot be read: in the model at byte {start}: {error}") from None


def _mapped(path: Path) -> bytes | mmap:
    """Return the content of a file: mapped into memory, or read at once from a pipe or an empty file."""
    if not path.is_file() or not path.stat().st_size:
        return path.read_bytes()
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _error_lines(path: Path, errors: ErrorTree, where: str = "") -> list[str]:
    return [f"{path}: {place or 'the document'}: {reason}" for place, _, reason in list_errors(errors, where)]


def _repeats(path: Path, model: ModelValues, seen: set[tuple[str, ...]]) -> list[str]:
    keys = {(model["model_id"],), (model["organization"], model["name"])}
    repeated = sorted(keys & seen)
    seen |= keys
    return [f"{path}: models: {' '.join(key)} comes twice." for key in repeated]
