"""Compute how much correlation within groups, such as those of one patient, widens the intervals of classification."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import label_counts
from performance.metrics.inputs.column_mapping import id_sql
from performance.metrics.result import MAX_CLASSES
from performance.metrics.statistics import losses, roc_sql
from performance.metrics.statistics.cluster_sums import counted_shares, matrix_sums
from performance.metrics.statistics.clusters import PRIOR_OF_MEANS, PRIOR_OF_METRICS, Clusters, GroupSums
from performance.metrics.statistics.confusion import ConfusionMatrix
from performance.metrics.statistics.gradients import MULTICLASS_GRADIENTS, Gradient
from performance.metrics.statistics.margins import AVERAGED, CLASS_METRICS
from performance.metrics.tasks.sufficient_statistics import SufficientStatistics

NO_INFLUENCE = GroupSums(0.0, 0.0, 0.0)
MANY_CLASSES = "Intervals of grouped examples are known for at most {0} classes."


@dataclass(frozen=True, slots=True)
class GroupEffects:
    """The design effects of examples that are correlated within groups, by metric, or why there are no intervals.

    Those of `intervals` allow for the number of groups too. `group` is the expression of an example's group.
    """

    intervals: Mapping[str, float] = field(default_factory=dict)
    accuracy: float = 1.0
    group: str | None = None
    clusters: Clusters | None = None
    reason: str | None = None

    def matrix(self, matrix: ConfusionMatrix, name: str) -> ConfusionMatrix:
        """Return the matrix of as many examples as inform of the metric."""
        return matrix.with_design_effect(self.intervals[name]) if name in self.intervals else matrix


NO_GROUPS = GroupEffects()


def measure_groups(engine: Engine, found: SufficientStatistics) -> GroupEffects:
    """Return the design effects of the problem's groups, or why there are no intervals."""
    if found.problem.group is None:
        return NO_GROUPS
    mapping = found.problem.mapping
    expression = id_sql(found.problem.group, engine.columns())
    if len(found.counts.labels) > MAX_CLASSES:
        return GroupEffects(reason=MANY_CLASSES.format(MAX_CLASSES))
    clusters, sums = matrix_sums(
        engine,
        found.matrix,
        _gradients(found),
        _counted(found),
        group=expression,
        actual=mapping.actual,
        predicted=mapping.predicted,
        weight=mapping.weight_or_one,
    )
    if clusters.reason:
        return GroupEffects(reason=clusters.reason)
    # MCC has no derivatives if all examples are predicted as one class, so nothing is known about its groups.
    effects = dict.fromkeys(MULTICLASS_GRADIENTS, clusters.interval_effect(NO_INFLUENCE))
    shares = _shares(found)
    effects |= {
        name: clusters.interval_effect(each, PRIOR_OF_MEANS if name in shares else PRIOR_OF_METRICS)
        for name, each in sums.items()
    }
    if found.losses is not None:
        probabilities = label_counts.as_probabilities(mapping)
        log, brier = losses.group_sums(engine, probabilities, found.problem.positive, found.losses, expression)
        effects["log_loss"] = clusters.interval_effect(log, PRIOR_OF_MEANS)
        effects["brier_score"] = clusters.interval_effect(brier, PRIOR_OF_MEANS)
    for label, area, average in _area_sums(engine, found, expression):
        effects[f"roc_auc.{label}"] = clusters.interval_effect(area)
        effects[f"average_precision.{label}"] = clusters.interval_effect(average)
    return GroupEffects(effects, clusters.design_effect(sums["accuracy"], PRIOR_OF_MEANS), expression, clusters)


def _gradients(found: SufficientStatistics) -> dict[str, Gradient]:
    """Return the derivatives of each metric of the confusion matrix that has some, by name."""
    matrix, averaging, positive = found.matrix, found.problem.averaging, found.problem.positive
    gradients: dict[str, Gradient | None] = {"accuracy": matrix.accuracy_gradient()}
    gradients |= {name: matrix.multiclass_gradient(name) for name in MULTICLASS_GRADIENTS}
    known_positive = positive if positive in matrix.labels else None
    if averaging == "micro" or (averaging == "binary" and known_positive is None):
        gradients |= dict.fromkeys(AVERAGED, gradients["accuracy"])
    else:
        label = known_positive if averaging == "binary" else None
        gradients |= {name: matrix.gradient(name, averaging, label) for name in AVERAGED}
    for label in matrix.labels:
        gradients |= {f"{name}.{label}": matrix.gradient(name, "binary", label) for name in CLASS_METRICS}
    return {name: gradient for name, gradient in gradients.items() if gradient is not None}


def _shares(found: SufficientStatistics) -> set[str]:
    """Return the names of the metrics that are shares of examples, or follow from one as F1 does."""
    of_labels = {f"{name}.{label}" for label in found.matrix.labels for name in CLASS_METRICS}
    averaged = AVERAGED if found.problem.averaging in ("binary", "micro") else ()
    return {"accuracy", *of_labels, *averaged}


def _counted(found: SufficientStatistics) -> dict[str, dict[str, float]]:
    """Return the shares of examples that the metrics are means of, by the name of the metric."""
    matrix, averaging, positive = found.matrix, found.problem.averaging, found.problem.positive
    summary = {name: counted_shares(matrix, name, averaging, positive) for name in (*AVERAGED, "balanced_accuracy")}
    return summary | {
        f"{name}.{label}": counted_shares(matrix, name, "binary", label)
        for label in matrix.labels
        for name in CLASS_METRICS
    }


def _area_sums(engine: Engine, found: SufficientStatistics, group: str) -> Iterator[tuple[str, GroupSums, GroupSums]]:
    """Yield the sums by group for ROC AUC and average precision of each class."""
    if not found.ranked:
        return
    mapping = found.problem.mapping
    statement = roc_sql.group_sums_statement(
        {label: each.problem for label, each in found.ranked.items()},
        areas={label: each.roc_auc.value or 0.0 for label, each in found.ranked.items()},
        averages={label: each.average_precision.value or 0.0 for label, each in found.ranked.items()},
        group=group,
        actual=mapping.actual,
        weight=mapping.weight,
        where=f"{mapping.predicted} IS NOT NULL",
    )
    for label, squared, fourth, average_squared, average_fourth, groups in engine.rows(statement):
        variance, average_variance = found.ranked[label].variances()
        yield (
            label,
            GroupSums(squared, fourth, variance, groups),
            GroupSums(average_squared, average_fourth, average_variance),
        )
