"""The names that datasets and their versions may have, and how messages list them."""

import re
from collections.abc import Sequence

from models_registry.api.visible_text import NAME_CHARACTER, is_unambiguous, is_visible
from performance.metrics.result import MAX_DATASET_NAME

MAX_LISTED_DATASETS = 20  # in a message
AMBIGUOUS = "Leave out invisible characters, and write accents in Unicode's form NFC: another name would look the same."

_ONE_LINE = re.compile(rf"(?!\s){NAME_CHARACTER}+(?<!\s)")


def is_dataset_name(value: object) -> bool:
    """Return whether a value may name a dataset.

    A name is one line of visible text, of at most `MAX_DATASET_NAME` characters, without spaces around it, and without
    characters that nobody sees.
    """
    if not isinstance(value, str) or len(value) > MAX_DATASET_NAME:
        return False
    return _ONE_LINE.fullmatch(value) is not None and is_visible(value) and is_unambiguous(value)


def list_datasets(names: Sequence[str]) -> str:
    """Return datasets as a text, such as `the primary dataset, 'october'`. An empty name is the primary one.

    Names past `MAX_LISTED_DATASETS` are `others`.
    """
    listed = [repr(name) if name else "the primary dataset" for name in names[:MAX_LISTED_DATASETS]]
    return ", ".join([*listed, *(["others"] if len(names) > MAX_LISTED_DATASETS else [])])
