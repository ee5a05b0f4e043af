"""The registry of task types, and the validation of metrics."""

import importlib
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry import task_types
from models_registry.task_types import DuplicateTaskTypeError, UnknownTaskTypeError
from models_registry.task_types.base import ROUNDING, Direction, InvalidMetricsError, Metric, TaskType, WorkedExample


def metric(name: str, lower: float | None = None, upper: float | None = None) -> Metric:
    return Metric(
        name=name,
        label=name.title(),
        direction=Direction.HIGHER,
        definition="A number.",
        source="This test.",
        example=WorkedExample(given={}, value=0.5),
        lower=lower,
        upper=upper,
    )


METRICS = {
    "share": metric("share", lower=0, upper=1),
    "error": metric("error", lower=0),
    "fit": metric("fit", upper=1),
    "balance": metric("balance"),
}
TOY = TaskType(name="toy", label="Toy", description="Plays.", metrics=tuple(METRICS.values()))

MODULE = """
from models_registry.task_types.base import TaskType

TASK_TYPE = TaskType(name="toy", label="Toy", description="Plays.", metrics=())
"""

finite = st.floats(allow_nan=False, allow_infinity=False)
never_a_metric = st.one_of(
    st.booleans(),
    st.text(),
    st.sampled_from([math.nan, math.inf, -math.inf, 10**400, -(10**400)]),
    st.lists(st.integers()),
)


def within(bounded: Metric) -> st.SearchStrategy[float]:
    return st.floats(bounded.lower, bounded.upper, allow_nan=False, allow_infinity=False)


def outside(bounded: Metric) -> st.SearchStrategy[float]:
    below = [st.floats(max_value=bounded.lower - 2 * ROUNDING)] if bounded.lower is not None else []
    above = [st.floats(min_value=bounded.upper + 2 * ROUNDING)] if bounded.upper is not None else []
    return st.one_of(below + above)


def faults(values: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidMetricsError) as refused:
        TOY.clean(values)
    assert all(name in str(refused.value) for name in refused.value.errors)
    return dict(refused.value.errors)


@pytest.fixture
def toy() -> Iterator[TaskType]:
    task_types.register(TOY)
    yield TOY
    task_types.unregister(TOY.name)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the registry without task types."""
    package = tmp_path / "another_registry"
    package.mkdir()
    shutil.copy(task_types.__file__, package)
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == package.name]:
        del sys.modules[name]


def test_a_registered_task_type_is_found_by_name_and_listed(toy: TaskType) -> None:
    assert task_types.get("toy") is toy
    assert toy in task_types.all_task_types()
    assert ("toy", "Toy") in task_types.choices()


def test_task_types_are_listed_in_order_of_name(toy: TaskType) -> None:
    names = [task_type.name for task_type in task_types.all_task_types()]
    assert names == sorted(names)
    assert [name for name, _ in task_types.choices()] == names


def test_a_name_can_be_declared_only_once(toy: TaskType) -> None:
    with pytest.raises(DuplicateTaskTypeError, match="'toy'"):
        task_types.register(TaskType(name="toy", label="Another", description="Plays too.", metrics=()))
    assert task_types.get("toy") is toy


@pytest.mark.parametrize("ask", [task_types.get, task_types.unregister])
def test_an_unknown_name_is_an_error_that_names_the_known_ones(ask: Callable[[str], object]) -> None:
    with pytest.raises(UnknownTaskTypeError) as unknown:
        ask("clasification")
    assert "'clasification'" in str(unknown.value)
    assert all(task_type.name in str(unknown.value) for task_type in task_types.all_task_types())


def test_a_module_dropped_into_the_package_is_found_at_import(package: Path) -> None:
    (package / "toy.py").write_text(MODULE)
    registry = importlib.import_module(package.name)
    assert registry.choices() == [("toy", "Toy")]


def test_two_modules_that_declare_one_name_fail_at_import(package: Path) -> None:
    (package / "toy.py").write_text(MODULE)
    (package / "toy_again.py").write_text(MODULE)
    with pytest.raises(ValueError, match="'toy' is declared twice"):
        importlib.import_module(package.name)


def test_clean_metrics_come_in_declared_order() -> None:
    cleaned = TOY.clean({"balance": -2.5, "fit": 0.5, "share": 0.25})
    assert list(cleaned.items()) == [("share", 0.25), ("fit", 0.5), ("balance", -2.5)]


def test_clean_metrics_are_floats() -> None:
    cleaned = TOY.clean({"share": 1, "error": 12})
    assert cleaned == {"share": 1.0, "error": 12.0}
    assert all(type(value) is float for value in cleaned.values())


def test_a_metric_that_is_none_was_not_recorded() -> None:
    assert TOY.clean({"share": None, "error": 0}) == {"error": 0.0}


def test_minus_zero_is_cleaned_to_zero() -> None:
    cleaned = TOY.clean({"error": -0.0, "balance": -0.0})
    assert [math.copysign(1, value) for value in cleaned.values()] == [1, 1]


def test_no_metrics_at_all_are_valid() -> None:
    assert TOY.clean({}) == {}


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, -0.0])
def test_a_metric_may_equal_its_bounds(value: float) -> None:
    assert TOY.clean({"share": value}) == {"share": float(value)}


def test_an_unknown_metric_is_refused_with_the_known_ones_even_if_it_is_none() -> None:
    assert faults({"accuracy": None}) == {"accuracy": "Not a metric of toy; use one of share, error, fit, balance."}


@pytest.mark.parametrize("value", [True, False, "0.5", "", b"1", [0.5], {}, 1j, object()])
def test_a_metric_that_is_not_a_number_is_refused(value: object) -> None:
    assert faults({"balance": value}) == {"balance": "Must be a number."}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400)], ids=lambda v: f"{str(v)[:5]}")
def test_a_metric_that_is_not_finite_is_refused(value: float) -> None:
    assert faults({"balance": value}) == {"balance": "Must be a finite number."}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("share", -0.5, "Must be at least 0, not -0.5."),
        ("share", 1.5, "Must be at most 1, not 1.5."),
        ("error", -3, "Must be at least 0, not -3."),
        ("fit", 2, "Must be at most 1, not 2."),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_both_numbers(name: str, value: float, reason: str) -> None:
    assert faults({name: value}) == {name: reason}


def test_all_metric_errors_are_reported_together() -> None:
    found = faults({"recall": 0.5, "share": 1.5, "error": math.nan, "fit": True, "balance": 1.0})
    assert list(found) == ["recall", "share", "error", "fit"]


@given(st.data(), st.sampled_from([m for t in task_types.all_task_types() for m in t.metrics] + list(METRICS.values())))
def test_any_float_within_bounds_is_accepted_and_survives_json(data: st.DataObject, bounded: Metric) -> None:
    value = data.draw(within(bounded))
    cleaned = TaskType(name="one", label="One", description="One.", metrics=(bounded,)).clean({bounded.name: value})
    assert json.loads(json.dumps(cleaned)) == {bounded.name: value}


@given(st.data(), st.sampled_from([m for t in task_types.all_task_types() for m in t.metrics]))
def test_any_float_outside_bounds_is_refused(data: st.DataObject, bounded: Metric) -> None:
    assert bounded.validation_error(data.draw(outside(bounded)))


@given(
    unknown=st.dictionaries(st.text().filter(lambda name: name not in METRICS), finite, max_size=3),
    outside_bounds=st.fixed_dictionaries({}, optional={n: outside(m) for n, m in METRICS.items() if n != "balance"}),
    good=st.fixed_dictionaries({}, optional={n: within(m) for n, m in METRICS.items()}),
    bad=st.dictionaries(st.sampled_from(sorted(METRICS)), never_a_metric),
)
def test_any_mix_of_metric_errors_is_reported_completely(
    unknown: dict[str, float], outside_bounds: dict[str, float], good: dict[str, float], bad: dict[str, object]
) -> None:
    values = {**good, **outside_bounds, **bad, **unknown}
    faulty = unknown.keys() | outside_bounds.keys() | bad.keys()
    if faulty:
        assert faults(values).keys() == faulty
    else:
        assert TOY.clean(values) == good


def test_a_perfect_score_beyond_its_bound_by_rounding_becomes_the_bound() -> None:
    assert TOY.clean({"share": 1.0000000000000004, "error": -4e-17}) == {"error": 0.0, "share": 1.0}
    assert faults({"share": 1.00000000001}) == {"share": "Must be at most 1, not 1.00000000001."}


def test_an_undeclared_per_class_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="a per-class metric that it does not declare"):
        TaskType(name="by", label="By", description="By.", metrics=TOY.metrics, per_class_metrics=("share", "shares"))


def test_a_duplicate_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="declares a metric twice"):
        TaskType(name="twice", label="Twice", description="Twice.", metrics=(TOY.metrics[0], TOY.metrics[0]))
