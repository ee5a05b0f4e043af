"""Which rivals the benchmark compares the width of an interval with, and on which samples."""

import numpy as np
import pytest

from tests.benchmarks.coverage_grid.rivals import around
from tests.benchmarks.coverage_grid.tally import Tally, usable_rivals

pytestmark = pytest.mark.once


def tally(setting: str, half_width: float | list[float], **others: float | list[float]) -> Tally:
    """Return a tally of intervals around 0.5, with rivals. The truth is 0.6, which those of 0.05 do not reach."""
    found = Tally(setting, "accuracy", 100, 0.6)
    for name, each in {"": half_width, **others}.items():
        margins = np.broadcast_to(np.asarray(each, dtype=float), 100)
        ends = around(np.full(100, 0.5), margins)
        found.add_rival(name, ends) if name else found.add_all(*ends)
    return found


def test_a_rival_that_fails_in_another_setting_is_of_no_use() -> None:
    one = tally("one", 0.4, steady=0.3, lucky=0.2)
    other = tally("other", 0.4, steady=0.3, lucky=0.05)

    usable = usable_rivals([one, other])

    assert usable == {"accuracy": {"steady"}}
    assert one.width_ratio(usable["accuracy"]) == pytest.approx(4 / 3)
    assert one.width_ratio(one.rivals) == pytest.approx(2)
    assert one.meets_the_bar(usable["accuracy"])
    assert not one.meets_the_bar(one.rivals)


def test_a_rival_without_intervals_in_a_setting_is_of_no_use() -> None:
    one, other = tally("one", 0.4, refusing=0.3), tally("other", 0.4, refusing=np.nan)

    assert usable_rivals([one, other]) == {"accuracy": set()}
    assert usable_rivals([one, tally("absent", 0.4)]) == {"accuracy": set()}
    assert one.width_ratio(()) is None


def test_settings_without_an_interval_do_not_count() -> None:
    assert usable_rivals([tally("one", 0.4, rival=0.3), tally("rare", np.nan, rival=0.05)]) == {"accuracy": {"rival"}}
    assert usable_rivals([tally("rare", np.nan, rival=0.3)]) == {"accuracy": set()}


def test_widths_are_compared_on_the_samples_that_have_both_intervals() -> None:
    narrow_if_given = [0.2] * 50 + [np.nan] * 50

    one = tally("one", narrow_if_given, rival=[0.15] * 40 + [np.nan] * 10 + [0.05] * 50)

    assert one.width_ratios == pytest.approx({"rival": 4 / 3})
