"""Name datasets in messages."""

from collections.abc import Sequence

MAX_LISTED_DATASETS = 20  # in a message


def list_datasets(names: Sequence[str]) -> str:
    """Return datasets as a text, such as `the primary dataset, 'october'`. An empty name is the primary one.

    Names past `MAX_LISTED_DATASETS` are `others`.
    """
    listed = [repr(name) if name else "the primary dataset" for name in names[:MAX_LISTED_DATASETS]]
    return ", ".join([*listed, *(["others"] if len(names) > MAX_LISTED_DATASETS else [])])
