"""Which columns of the predictions hold what, and how the metrics are to be taken of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

AVERAGINGS = ("binary", "macro", "weighted", "micro")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns; those that are left out are looked for under their usual names.

    `scores` has a column for each class, where there are more than two. A forecast may name its `series`, its `horizon`
    (steps ahead) and the `scale` of its series: the mean |y(t) - y(t - m)| of the training series. Of a ranking,
    `query` says what was asked for, `relevance` how good an item is, and `score` where it was ranked.
    """

    actual: str = "actual"
    predicted: str = "predicted"
    score: str | None = None
    scores: Mapping[str, str] = field(default_factory=dict)
    weight: str | None = None
    example_id: str | None = None
    series: str = "series_id"
    horizon: str = "horizon"
    scale: str = "scale"
    query: str = "query_id"
    relevance: str = "relevance"


@dataclass(frozen=True, slots=True)
class Options:
    """What the evaluation's author chooses.

    `positive_class` is by default the greater of two labels, and `averaging` `binary` for two and `weighted` for more.
    With `allow_missing`, rows without a prediction are left out and counted. A ranking is cut after `k` items where a
    metric says so.
    """

    positive_class: str | None = None
    averaging: str | None = None
    allow_missing: bool = False
    k: int = 10
