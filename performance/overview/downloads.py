"""The tables of the start page and of a model's page as files: numbers instead of texts and charts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models_registry.task_types.base import Metric
from performance.metrics.comparison import MetricComparison
from performance.overview.charts import Trend
from performance.overview.selectors import ModelRow
from performance.overview.version_selectors import VersionRow
from performance.snapshots.downloads import Download, NamedTable, estimate_cells, estimate_headers

MODEL_HEADERS = (
    *("Model id", "Model", "Organization", "Task type", "State", "Promoted", "Metric"),
    *estimate_headers("Value"),
    *("Instead of", "Difference", "Result", "Verdict", "Judged", "Evaluated at"),
)
PRODUCTION_HEADERS = ("Metric", *estimate_headers("Value"), "Instead of", "Difference", "Result")
PROMOTION_HEADERS = (
    *("Promoted at", "Version", "Kind", "Instead of", "By", "Reason", "Verdict"),
    "Overridden",
)


def models_table(rows: Iterable[ModelRow]) -> Download:
    """Return the models of the start page."""
    return Download("Models", MODEL_HEADERS, [_model(each) for each in rows])


def model_tables(context: Mapping[str, Any]) -> Iterator[NamedTable | None]:
    """Yield the tables of a model's page, from its context."""
    row = context["row"]
    metrics = [(metric, row.comparisons.get(metric.name)) for metric, *_ in row.summary] if row.metrics else []
    yield Download("In production", PRODUCTION_HEADERS, [_production(row, *each) for each in metrics])
    yield _versions(context["versions"], context["metrics"], context["model"].promoted_version_id)
    yield Download("Promotions", PROMOTION_HEADERS, [_promotion(each) for each in context["promotions"]])
    yield from map(_trend, context["trends"])
    yield context["policy_table"]


def _model(row: ModelRow) -> Sequence[object]:
    model, metric, verdict = row.model, row.headline, row.verdict or {}
    promoted = model.promoted_version
    return (
        *(model.pk, model.name, str(model.organization), model.task_type, model.state),
        promoted and promoted.version_id,
        metric and metric.name,
        *(_estimate(row, metric) if metric else (None, None, None)),
        *_change(row, row.comparison),
        *(verdict.get("status"), verdict.get("version_id")),
        row.evaluated_at,
    )


def _production(row: ModelRow, metric: Metric, comparison: MetricComparison | None) -> Sequence[object]:
    return (metric.name, *_estimate(row, metric), *_change(row, comparison))


def _estimate(row: ModelRow, metric: Metric) -> tuple[float | None, ...]:
    return estimate_cells(row.metrics.get(metric.name), row.intervals.get(metric.name))


def _change(row: ModelRow, comparison: MetricComparison | None) -> Sequence[object]:
    if comparison is None:
        return None, None, None
    return row.baseline_version_id, comparison.difference, str(comparison.direction)


def _versions(rows: Iterable[VersionRow], metrics: Sequence[Metric], promoted: int | None) -> Download:
    measured = (header for metric in metrics for header in estimate_headers(metric.name))
    headers = ("Version", "Promoted", "State", "Created at", *measured)
    return Download("Versions", headers, [_version(each, metrics, promoted) for each in rows])


def _version(row: VersionRow, metrics: Sequence[Metric], promoted: int | None) -> Sequence[object]:
    version = row.version
    values = row.snapshot.all_metrics if row.snapshot else {}
    intervals = row.snapshot.details.confidence_intervals if row.snapshot else {}
    measured = (estimate_cells(values.get(each.name), intervals.get(each.name)) for each in metrics)
    about = (version.version_id, version.pk == promoted, version.state, version.created_at)
    return (*about, *(cell for cells in measured for cell in cells))


def _promotion(promotion: Any) -> Sequence[object]:
    previous = promotion.previous_version
    return (
        *(promotion.promoted_at, promotion.version.version_id, promotion.kind),
        previous and previous.version_id,
        promotion.promoted_by and str(promotion.promoted_by),
        *(promotion.reason, promotion.verdict_status, promotion.overridden),
    )


def _trend(trend: Trend) -> Download:
    headers = ("Version", *estimate_headers("Value"), "Promotion")
    marks = [each.measured for each in trend.marks]
    rows = [(each.version_id, each.value, each.lower, each.upper, each.promotion) for each in marks]
    return Download(trend.title, headers, rows)
