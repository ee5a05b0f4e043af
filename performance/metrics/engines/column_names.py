"""Name the index that pandas writes, and distinguish names by case: DuckDB ignores case, labels do not."""

from collections.abc import Sequence

from performance.metrics.result import UnprocessablePredictionsError

INDEX_NAME = "Unnamed: 0"  # as pandas names its index when it reads the file


def with_index_name(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a file. The first column may have none, as the index that pandas writes: it gets one.

    Raises `UnprocessablePredictionsError` if another one has none.
    """
    first, *others = names or ("",)
    if "" in others or not (first or others):
        raise UnprocessablePredictionsError("The header has a column without a name.")
    return (first or _unused_name(others), *others)


def distinct_names(names: Sequence[str]) -> dict[str, str]:
    """Return the column of the predictions for each name in a file, in the same order.

    It has the same name, followed by a number if an earlier name differs from it only by case. Raises
    `UnprocessablePredictionsError` for two equal names.
    """
    columns: dict[str, str] = {}
    used = {name.lower() for name in names}
    seen: set[str] = set()
    for name in names:
        if name in columns:
            raise UnprocessablePredictionsError(
                f"There are two columns {name[:40]!r}. Rename one, or leave it out.", column=name
            )
        columns[name] = _numbered(name, used) if name.lower() in seen else name
        seen.add(columns[name].lower())
        used.add(columns[name].lower())
    return columns


def _unused_name(names: Sequence[str]) -> str:
    name = INDEX_NAME
    while name in names:
        name += ".1"
    return name


def _numbered(name: str, used: set[str]) -> str:
    number = 1
    while f"{name}_{number}".lower() in used:
        number += 1
    return f"{name}_{number}"
