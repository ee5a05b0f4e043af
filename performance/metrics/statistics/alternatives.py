"""Name metrics that have an interval where a metric of errors has none, as large errors decide it less."""

from collections.abc import Mapping
from dataclasses import replace

from performance.metrics.statistics.estimates import Estimate

_MOST = 2  # that are named
# The closest first. Only those with an interval are named.
_ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "rmse": ("mae", "mase", "median_absolute_error", "smape"),
    "r_squared": ("mae", "median_absolute_error"),
    "explained_variance": ("mae", "median_absolute_error"),
    "mape": ("mae", "median_absolute_error"),
    "mae": ("mase", "median_absolute_error", "smape"),
    "wape": ("mase", "mae", "smape"),
    "mase": ("mae", "smape"),
    "smape": ("mase", "mae"),
}


def name_alternatives(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the estimates by name, with what to use in place of a metric without an interval in its reason."""
    return {name: _with_alternatives(name, each, estimates) for name, each in estimates.items()}


def _with_alternatives(name: str, found: Estimate, estimates: Mapping[str, Estimate]) -> Estimate:
    if found.value is None or found.interval is not None or found.reason is None:
        return found
    known = [each for each in _ALTERNATIVES.get(name, ()) if each in estimates and estimates[each].interval is not None]
    if not known:
        return found
    named = known[:_MOST]
    listed = " or ".join(f"`{each}`" for each in named)
    verb = "has" if len(named) == 1 else "have"
    return replace(found, reason=f"{found.reason} Use {listed}, which {verb} an interval.")
