"""Walk a foreign document, and say where it is not as expected. Pure Python."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from models_registry.api.strict_json import parse_json
from models_registry.api.strict_yaml import parse_yaml
from performance.imports.document import ReadError, SourceFile, quoted

MAX_BYTES = 8 * 2**20  # of a file
MAX_YAML_BYTES = 512 * 2**10  # YAML takes far longer to parse than JSON
MAX_YAML_VALUES = 50_000
MAX_ITEMS = 10_000  # of one object or list
MAX_NAME = 100  # characters of a name in a place
MAX_EPOCH = 32_503_680_000  # seconds: the year 3000
MILLISECONDS_FROM = 100_000_000_000  # a greater number is of milliseconds


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document, and its place there. A missing value is `None`."""

    value: object
    place: str = ""

    def error(self, reason: str) -> ReadError:
        """Return an error at this place."""
        return ReadError(self.place, reason)

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return isinstance(self.value, int | float) and not isinstance(self.value, bool)

    def get(self, *names: str) -> "Node":
        """Return what a path of names leads to. Raises `ReadError` if a part of the path is not an object."""
        found = self
        for name in names:
            found = found.members().get(name) or Node(None, found._inner(name))
        return found

    def members(self) -> dict[str, "Node"]:
        """Return the members of an object; a missing one has none. Raises `ReadError`."""
        if self.value is None:
            return {}
        if not isinstance(self.value, Mapping):
            raise self.error("Must be an object.")
        self._check_length(len(self.value))
        return {name: Node(value, self._inner(name)) for name, value in self.value.items()}

    def items(self) -> list["Node"]:
        """Return the items of a list; a missing one has none. Raises `ReadError`."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.error("Must be a list.")
        self._check_length(len(self.value))
        return [Node(value, self._inner(str(index))) for index, value in enumerate(self.value)]

    def number(self) -> float:
        """Return a finite number. Raises `ReadError`."""
        try:
            number = float(self.value) if self.is_number else math.nan  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.error("Must be a finite number.")
        return number

    def count(self) -> int | None:
        """Return a number of examples, or `None` if it is missing or not a positive whole number."""
        if not self.is_number or (number := self.number()) < 1 or number != int(number):
            return None
        return int(number)

    def text(self, default: str = "") -> str:
        """Return a text, or the default if it is missing. A number counts as its text. Raises `ReadError`."""
        if self.value is None:
            return default
        if self.is_number:
            self.number()  # Python writes no integer of thousands of digits
            return str(self.value)
        if not isinstance(self.value, str):
            raise self.error("Must be text.")
        return self.value.strip()

    def time(self) -> datetime | None:
        """Return a time, or `None` if it is missing. Raises `ReadError`.

        It is a number of seconds or milliseconds since 1970, or a date or time as in ISO 8601, by default in UTC.
        """
        text = self.text()
        if not text:
            return None
        try:
            return _epoch(float(text))
        except ValueError:
            pass
        try:
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC).replace(microsecond=0)
        except (ValueError, OverflowError):
            raise self.error(f"Must be a time, such as 2026-03-13T14:22:10Z, not {quoted(text)}.") from None

    def _check_length(self, length: int) -> None:
        if length > MAX_ITEMS:
            raise self.error(f"Has {length} members; at most {MAX_ITEMS} are read.")

    def _inner(self, name: str) -> str:
        return f"{self.place}.{name[:MAX_NAME]}".lstrip(".")


def json_document(file: SourceFile) -> Node:
    """Return the document of a JSON file. Raises `ReadError`."""
    check_length(file.content)
    try:
        return Node(parse_json(file.content))
    except ValueError as error:
        raise ReadError("", f"It is not JSON that this service reads: {error}.") from None


def yaml_document(encoded: bytes | str, place: str = "") -> Node:
    """Return the document of a YAML text. Raises `ReadError`."""
    if len(encoded) > MAX_YAML_BYTES:
        raise ReadError(place, f"It is over {MAX_YAML_BYTES} bytes of YAML.")
    try:
        return Node(parse_yaml(encoded, max_values=MAX_YAML_VALUES), place)
    except ValueError as error:
        raise ReadError(place, f"It is not YAML that this service reads: {error}.") from None


def check_length(content: bytes) -> None:
    """Raise `ReadError` if a file is too long."""
    if len(content) > MAX_BYTES:
        raise ReadError("", f"It is over {MAX_BYTES} bytes.")


def _epoch(number: float) -> datetime:
    """Return a time in UTC. Raises `ValueError` for a number that is no time, so that it is read as text."""
    seconds = number / 1000 if number >= MILLISECONDS_FROM else number
    if not 0 <= seconds <= MAX_EPOCH:
        raise ValueError
    return datetime.fromtimestamp(int(seconds), UTC)
