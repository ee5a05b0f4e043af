"""Compute the design effect of examples that are correlated within groups, such as those of one patient.

The influences of the examples on a metric are summed by group. The variance of these sums, divided by the variance of
independent examples, is the design effect: so many examples are worth one. Korn & Graubard (1998), Confidence intervals
for proportions with small expected number of positive counts estimated from survey data, Survey Methodology 24(2),
193-201, divide the number of examples by it, and by the squared ratio of the quantiles of Student's t, with one degree
of freedom less than groups, and of the normal distribution.

Groups of unequal sizes count as fewer equal ones (`Clusters`). How alike the examples of a group are is only told by
groups of several examples. If these are all right, say, the errors of many groups of one example must not count as
knowledge of it (`GroupSums.informative`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from performance.metrics.statistics.intervals import effective_sample_size
from performance.metrics.statistics.scores import GROUPS
from performance.metrics.statistics.student_t import student_t_quantile

FEWEST_EFFECTIVE = 3.0
FEW_GROUPS = "A few groups have nearly all the weight: there are fewer than three of equal weight."


@dataclass(frozen=True, slots=True)
class Prior:
    """The number of groups that are added to those of the sample, and the correlation of the examples in them."""

    groups: float
    correlation: float


# With 0.4 groups, the macro precision of 50 correlated groups has 4.3% of its intervals wholly above the truth. Shares
# of examples and mean losses hold with fewer.
PRIOR_OF_METRICS = Prior(0.7, 1.0)
PRIOR_OF_MEANS = Prior(0.45, 0.8)


@dataclass(frozen=True, slots=True)
class GroupSums:
    """The sums over groups of the squared influence and of its fourth power, and the variance of independent examples.

    `independent` is the sum over examples of the squared influence. `groups` is how many groups, at most, inform of the
    variance. `of_pairs` are the sums over groups that each count by their share of pairs, if these are known.
    """

    squared: float
    fourth: float
    independent: float
    groups: float = math.inf
    of_pairs: "GroupSums | None" = None

    @property
    def influential(self) -> float:
        """The effective number of groups with an influence."""
        return self.squared * self.squared / self.fourth if self.fourth > 0 else 0.0

    def informative(self, share_of_pairs: float) -> float:
        """Return the effective number of groups with an influence that tell how alike the examples of a group are.

        It is less if the groups of several examples have a smaller part of the independent examples' variance than of
        the weights, which is `share_of_pairs`: their examples have yet to differ from those of other groups.
        """
        if self.of_pairs is None or self.independent <= 0:
            return self.influential
        part = self.of_pairs.independent / self.independent
        return self.of_pairs.influential * (min(part / share_of_pairs, 1.0) if share_of_pairs > 0 else 1.0)


@dataclass(frozen=True, slots=True)
class Clusters:
    """The groups, and the design effect if all examples of each group were equal.

    Args:
        groups: the number of groups.
        greatest_effect: the design effect if all examples of each group were equal.
        effective: how many groups of equal weights are worth as much, by the sums of the weights and of their squares.
        spread: the expected sum of the squared influences of the groups, as a fraction of the variance that it
            estimates, if all examples of each group were equal: it is less than 1, as the influences sum to 0.
        share_of_pairs: the mean share of pairs of different examples in the pairs of a group, by the groups' weights.
    """

    groups: int
    greatest_effect: float
    effective: float
    spread: float
    share_of_pairs: float

    @classmethod
    def from_sums(cls, groups: int, weight: float, squared: float, cubed: float, squares: float, pairs: float) -> Self:
        """Return the groups from the sums that `SIZES` selects."""
        effective = effective_sample_size(weight, squared)
        if not squares or effective < FEWEST_EFFECTIVE:
            return cls(groups, 1.0, effective, 1.0, 0.0)
        spread = 1 - 2 * cubed / (weight * squared) + 1 / effective
        return cls(groups, squared / squares, effective, spread, pairs / weight)

    @property
    def reason(self) -> str | None:
        """Why there are no intervals, or `None`."""
        return GROUPS.shortage(self.groups) or (FEW_GROUPS if self.effective < FEWEST_EFFECTIVE else None)

    def design_effect(self, sums: GroupSums, prior: Prior = PRIOR_OF_METRICS) -> float:
        """Return how many examples are worth one, at least 1.

        Only groups with an influence inform of the variance, and those of the prior are added to them. If they are few,
        the estimate is nearer to the design effect of these.
        """
        informative = sums.informative(self.share_of_pairs)
        ratio = sums.squared / sums.independent / self.spread if sums.independent > 0 else 0.0
        added = prior.groups * self.prior_effect(prior)
        return max((informative * ratio + added) / (informative + prior.groups), 1.0)

    def prior_effect(self, prior: Prior) -> float:
        """Return the design effect of the prior's groups."""
        return 1 + prior.correlation * (self.greatest_effect - 1)

    def interval_effect(self, sums: GroupSums, prior: Prior = PRIOR_OF_METRICS) -> float:
        """Return the design effect for an interval, which is greater because the variance is estimated from groups."""
        degrees = max(min(self.effective, sums.groups) - 1, 1)
        quantiles = student_t_quantile(degrees) / student_t_quantile(math.inf)
        return self.design_effect(sums, prior) * quantiles**2


def informative_groups(shares: Mapping[str, float], groups: Mapping[str, float]) -> float:
    """Return how many groups inform of a mean over classes.

    The variance of a class's metric counts as inverse to the number of groups with examples of the class. The degrees
    of freedom are the harmonic mean of those of the classes, weighted by their variances: as if all were estimated too
    high or too low together, which Satterthwaite (1946), doi:10.2307/3002019, assumes they are not.

    Args:
        shares: the shares of the classes in the mean.
        groups: how many groups (effectively) have examples of each class.
    """
    variances = {label: share * share / max(groups[label], 1.0) for label, share in shares.items()}
    inverse = math.fsum(variance / max(groups[label] - 1, 1.0) for label, variance in variances.items())
    return math.fsum(variances.values()) / inverse + 1
