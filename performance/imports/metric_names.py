"""What other tools call splits and metrics. Pure Python."""

import re
from collections.abc import Iterable, Mapping

from models_registry import task_types
from models_registry.task_types.base import Metric, TaskType

SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
MAX_LENGTH = 100  # characters of a custom name

# The names of libraries, for ours.
_OTHER_NAMES: Mapping[str, str] = {
    "acc": "accuracy",
    "accuracy_score": "accuracy",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "average_precision_score": "average_precision",
    "avg_prec": "average_precision",
    "balanced_accuracy_score": "balanced_accuracy",
    "brier_score_loss": "brier_score",
    "calinski_harabasz_score": "calinski_harabasz",
    "cohen_kappa_score": "cohen_kappa",
    "davies_bouldin_score": "davies_bouldin",
    "em": "exact_match",
    "explained_variance_score": "explained_variance",
    "f1": "f1_score",
    "logloss": "log_loss",
    "map50": "map_50",
    "map50_95": "map_50_95",
    "map75": "map_75",
    "matthews_corrcoef": "matthews_correlation",
    "mcc": "matthews_correlation",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "ndcg_score": "ndcg",
    "ppl": "perplexity",
    "precision_score": "precision",
    "r2": "r_squared",
    "r2_score": "r_squared",
    "recall_score": "recall",
    "roc_auc_score": "roc_auc",
    "root_mean_squared_error": "rmse",
    "rougel": "rouge_l",
    "silhouette_score": "silhouette",
}
_prefix = re.compile(rf"({'|'.join(sorted(SPLITS, key=len, reverse=True))})[_/.\-](.+)", re.IGNORECASE | re.DOTALL)
_separators = re.compile(r"[-\s]+")
_not_allowed = re.compile(r"[^A-Za-z0-9_./@ -]")


def split_of(name: str) -> str | None:
    """Return the split that a word names, such as `training`; `None` if it names none."""
    return SPLITS.get(name.lower())


def without_split(name: str) -> tuple[str | None, str]:
    """Return the split that a metric's name begins with, `None` if with none, and the rest of the name."""
    found = _prefix.fullmatch(name)
    return (split_of(found[1]), found[2]) if found else (None, name)


def known_name(name: str) -> str:
    """Return what the task types call a metric, whichever of them has it; otherwise the name in small letters."""
    plain = _separators.sub("_", name.strip().lower())
    return _OTHER_NAMES.get(plain, plain)


def custom_name(name: str) -> str:
    """Return a name that a custom metric may have."""
    allowed = _not_allowed.sub("_", name.strip())
    return (allowed if allowed[:1].isalnum() else f"_{allowed}")[:MAX_LENGTH].rstrip()


def find_task_type(names: Iterable[str]) -> str | None:
    """Return the name of the task type that has most of these metrics, or `None` if no single one has."""
    known = {known_name(without_split(name)[1]) for name in names}
    counts = {
        each.name: len(known & {metric.name for metric in each.all_metrics}) for each in task_types.all_task_types()
    }
    best = max(counts.values())
    found = [name for name, count in counts.items() if count == best > 0]
    return found[0] if len(found) == 1 else None


def sort_metrics(
    task_type: TaskType, values: Mapping[str, float], standard_errors: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the metrics of a task type, all others, and the standard errors of the former.

    A value that the task type calls impossible, such as 93.4 for an accuracy, is kept under another name. The standard
    error of any other metric becomes a metric of its own. Raises `ValueError` if two metrics get one name.
    """
    metrics = {metric.name: metric for metric in task_type.all_metrics}
    known: dict[str, float] = {}
    custom: list[tuple[str, float]] = []
    errors: dict[str, float] = {}
    for name in sorted(values, key=lambda name: known_name(name) != name):
        value, error = values[name], standard_errors.get(name)
        metric = metrics.get(known_name(name))
        if metric is not None and metric.name not in known and metric.validation_error(value) is None:
            known[metric.name] = value
            if error:
                errors[metric.name] = error
            continue
        other = _other_name(name, value, metric)
        custom.append((other, value))
        if error is not None:
            custom.append((f"{other[: MAX_LENGTH - 7]}_stderr", error))
    named = dict(custom)
    if len(named) < len(custom):
        raise ValueError("Two metrics get the same name once characters that a name cannot have are replaced.")
    return known, named, errors


def _other_name(name: str, value: float, metric: Metric | None) -> str:
    """Return the name of a custom metric, which tells a percentage from a fraction."""
    if metric is None or (metric.validation_error(value) is None and metric.name != name):
        return custom_name(name)
    is_percent = (metric.lower, metric.upper) == (0, 1) and 1 < value <= 100
    return f"{metric.name}_percent" if is_percent else custom_name(f"{name}_reported")
