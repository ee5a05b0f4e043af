"""Intervals of classification: of weights, of single classes and of groups, and why there are none."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from performance.metrics.result import UnprocessablePredictionsError
from performance.metrics.statistics.estimates import NO_INTERVAL, UNDEFINED
from performance.metrics.statistics.intervals import WeightedCount, weighted_wilson, wilson
from performance.metrics.tasks import classification
from tests.performance.metrics.classified import OF_POSITIVE, OF_SEVERAL, THREE, TWO
from tests.performance.metrics.tables import evaluate_columns
from tests.performance.metrics.test_classification import assert_close


def test_per_class_intervals_equal_those_of_the_positive_class(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    actual = np.where(random.random(200) < 0.4, "yes", "St. Gallen")
    score = np.round(1 / (1 + np.exp(-random.normal(np.where(actual == "yes", 1, 0), 1))), 2)
    columns = {"actual": actual, "predicted": np.where(score > 0.6, "yes", "St. Gallen")}
    both = {"score_yes": score, "score_St. Gallen": 1 - score}

    for label in ("yes", "St. Gallen"):
        found = evaluate_columns(
            classification.evaluate, tmp_path, {**columns, **both}, positive_class=label
        ).confidence_intervals

        names = ("precision", "recall", "f1_score", *(("roc_auc",) if label == "yes" else ()))
        assert {name: found[f"per_class.{label}.{name}"] for name in names} == {name: found[name] for name in names}


def test_classes_have_no_intervals_if_there_are_many(tmp_path: Path) -> None:
    few, many = ({"actual": range(number), "predicted": range(number)} for number in (50, 51))

    assert "per_class.49.recall" in evaluate_columns(classification.evaluate, tmp_path, few).confidence_intervals
    assert not any(
        "per_class" in name for name in evaluate_columns(classification.evaluate, tmp_path, many).confidence_intervals
    )


@pytest.mark.parametrize("weight", [1e-200, 1e-320])
@pytest.mark.parametrize("scores", [{"score": OF_POSITIVE}, OF_SEVERAL])
def test_weights_whose_squares_underflow_have_no_intervals(
    tmp_path: Path, scores: dict[str, Any], weight: float
) -> None:
    columns = {**(THREE if scores is OF_SEVERAL else TWO), **scores}

    found = evaluate_columns(classification.evaluate, tmp_path, {**columns, "weight": [weight] * 5})

    plain = evaluate_columns(classification.evaluate, tmp_path, columns).metrics
    assert not found.confidence_intervals
    for name, value in plain.items():
        assert_close(name, found, math.nan if value is None else value, within=1e-3)


@pytest.mark.parametrize("weight", [1e46, 1e308])
def test_weights_whose_squares_overflow_are_refused_with_their_row(tmp_path: Path, weight: float) -> None:
    columns = {**TWO, "weight": [1.0, weight, 1.0, 1.0, 1.0]}

    with pytest.raises(UnprocessablePredictionsError, match="Row 2 .*'weight'") as refused:
        evaluate_columns(classification.evaluate, tmp_path, columns)

    assert (refused.value.row, refused.value.column) == (2, "weight")


def test_one_class_has_values_without_intervals_and_a_warning(tmp_path: Path) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {"actual": ["0"] * 50, "predicted": ["0"] * 50})

    assert [warning.code for warning in found.warnings] == ["one_class"]
    assert found.metrics["balanced_accuracy"] == 1
    assert "balanced_accuracy" not in found.confidence_intervals
    assert "at least two" in found.intervals_unavailable["balanced_accuracy"]
    assert "at least two" in found.metrics_unavailable["roc_auc"]
    assert found.confidence_intervals["accuracy"].lower > 0.9


def test_scores_of_the_other_class_are_warned_of_if_their_interval_is_below_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    actual = np.repeat(["0", "1"], 40)
    score = np.clip(random.normal(np.where(actual == "1", 0.7, 0.3), 0.2), 0, 1)

    def codes(score: Any, **options: Any) -> list[str]:
        columns = {"actual": actual, "predicted": actual, "score": score}
        return [each.code for each in evaluate_columns(classification.evaluate, tmp_path, columns, **options).warnings]

    assert codes(score) == []
    assert codes(random.random(80) - 0.1 * (actual == "1")) == []  # little below chance
    assert codes(1 - score) == ["scores_of_other_class"]
    assert codes(score, positive_class="0") == ["scores_of_other_class"]
    assert codes(1 - score, positive_class="0") == []


@pytest.mark.parametrize("columns", [TWO, THREE, {**TWO, "score": OF_POSITIVE}, {**THREE, **OF_SEVERAL}])
@pytest.mark.parametrize("averaging", [None, "macro", "weighted", "micro"])
def test_each_metric_has_an_interval_or_says_why_not(
    tmp_path: Path, columns: dict[str, Any], averaging: str | None
) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, columns, averaging=averaging)

    for name, value in found.metrics.items():
        reason = (found.metrics_unavailable if value is None else found.intervals_unavailable).get(name)
        assert (name in found.confidence_intervals) == (reason is None), name
        assert reason not in {UNDEFINED, NO_INTERVAL}, name
        if interval := found.confidence_intervals.get(name):
            assert interval.lower < interval.upper, name


@pytest.fixture(scope="module")
def patients() -> dict[str, Any]:
    """Examples of 40 patients, each of whom the model knows well or badly."""
    random = np.random.default_rng(3)
    patient = np.repeat(np.arange(40), 15)
    actual = (random.random(600) < 0.4).astype(int)
    odds = 2 * actual - 1 + np.repeat(random.normal(0, 2, 40), 15) + random.normal(0, 0.5, 600)
    return {
        "actual": actual,
        "predicted": (odds > 0).astype(int),
        "score": 1 / (1 + np.exp(-odds)),
        "group": patient,
    }


def test_groups_make_intervals_wider_and_the_sample_smaller(tmp_path: Path, patients: dict[str, Any]) -> None:
    plain = evaluate_columns(
        classification.evaluate, tmp_path, {name: each for name, each in patients.items() if name != "group"}
    )

    found = evaluate_columns(classification.evaluate, tmp_path, patients)

    assert (found.metrics, plain.effective_sample_size) == (plain.metrics, 600)
    assert found.effective_sample_size is not None
    assert 40 < found.effective_sample_size < 300
    assert set(found.confidence_intervals) == set(plain.confidence_intervals)
    for name in ("accuracy", "specificity", "roc_auc", "log_loss", "brier_score", "per_class.0.recall"):
        one, other = found.confidence_intervals[name], plain.confidence_intervals[name]
        assert one.upper - one.lower > 1.3 * (other.upper - other.lower), name


def design_effect(influence: Any, weight: Any, group: Any) -> float:
    """Return how many examples are worth one, from the weighted influence of each on a share of examples."""
    sums, independent, sizes, squares = (
        np.bincount(group, weights=each) for each in (influence, influence**2, weight, weight**2)
    )
    spread = 1 - 2 * (sizes**3).sum() / (sizes.sum() * (sizes**2).sum()) + (sizes**2).sum() / sizes.sum() ** 2
    ratio, pairs = (sums**2).sum() / independent.sum() / spread, 1 - squares / sizes**2
    told = min((pairs @ independent) / independent.sum() / (pairs @ sizes / sizes.sum()), 1)
    informative = (pairs @ sums**2) ** 2 / ((pairs * sums**2) ** 2).sum() * told
    greatest = (sizes**2).sum() / squares.sum()
    return float((informative * ratio + 0.45 * (1 + 0.8 * (greatest - 1))) / (informative + 0.45))


@pytest.mark.parametrize("unequal", [False, True])
def test_the_design_effect_is_that_of_the_sums_by_group(
    tmp_path: Path, patients: dict[str, Any], unequal: bool
) -> None:
    if unequal:  # 15 examples in each of 20 groups, and 300 groups of one
        patients = patients | {"group": np.r_[np.arange(300) // 15, np.arange(20, 320)]}
    of_group = np.bincount(patients["group"])
    right = patients["actual"] == patients["predicted"]
    effect = design_effect(right - right.mean(), np.ones(600), patients["group"])

    found = evaluate_columns(classification.evaluate, tmp_path, patients)

    assert found.effective_sample_size == pytest.approx(600 / effect)
    degrees = 600**2 / (of_group**2).sum() - 1
    size = 600 / effect * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, degrees)) ** 2
    expected = wilson(float(right.mean()), size)
    assert expected is not None
    interval = found.confidence_intervals["accuracy"]
    assert (interval.lower, interval.upper) == pytest.approx((expected.lower, expected.upper), rel=1e-5)


@pytest.mark.parametrize(("name", "positive"), [("recall", "1"), ("specificity", "0"), ("precision", "1")])
def test_a_few_errors_that_are_light_by_chance_count_as_errors_of_any_weight(
    tmp_path: Path, name: str, positive: str
) -> None:
    """The interval is that of the effective size of all examples that the metric is a share of."""
    weight = np.tile(np.repeat([20.0, 1.0], [15, 285]), 2)
    actual = np.repeat([1, 0], 300)
    wrong = (np.arange(600) % 300) >= 296
    columns = {"actual": actual, "predicted": np.where(wrong, 1 - actual, actual), "weight": weight}

    found = evaluate_columns(classification.evaluate, tmp_path, columns, positive_class=positive)

    # Four of the light examples of each class are wrong, and so are four of those predicted as each. The right ones
    # are heavier than all by a thousandth.
    size, share = 585**2 / (15 * 400 + 285), 581 / 585
    z = stats.norm.ppf(0.975)
    expected = (share + z**2 / (2 * size) - z * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))) / (
        1 + z**2 / size
    )
    assert found.confidence_intervals[name].lower == pytest.approx(expected, abs=1e-5)


def least_units(name: str, actual: Any, predicted: Any, weight: Any, counted: Any) -> tuple[float, float]:
    """Return the least weights of effective examples that are right and wrong: those of their actual class.

    What depends on the predicted class multiplies those of the precision.
    """
    units = np.array([(of_class**2).sum() / of_class.sum() for of_class in (weight[actual == at] for at in (0, 1))])
    if name != "precision":
        unit = float(units[1 if name == "recall" else 0])
        return unit, unit
    ratio = (weight[counted] ** 2).sum() / (weight[counted] * units[actual[counted]]).sum()
    return float(units[1] * ratio), float(units[0] * ratio)


@pytest.mark.parametrize("weight", [1e3, 1e8, 1e12, 1e14, 1e30])
def test_a_group_with_nearly_all_the_weight_leaves_no_intervals(
    tmp_path: Path, patients: dict[str, Any], weight: float
) -> None:
    weights = np.r_[weight, np.ones(599)]

    found = evaluate_columns(classification.evaluate, tmp_path, {**patients, "weight": weights})

    assert not found.confidence_intervals
    assert found.intervals_unavailable["accuracy"].startswith("A few groups have nearly all the weight")


@pytest.mark.parametrize("weighted", [False, True])
def test_only_groups_with_examples_that_a_metric_is_a_share_of_inform_of_it(
    tmp_path: Path, patients: dict[str, Any], weighted: bool
) -> None:
    """The effective number of these groups gives the degrees of freedom."""
    group, predicted = patients["group"], patients["predicted"]
    actual, weight = (group < 6).astype(int), np.where(weighted, 1 + group % 3, 1)
    columns = {"actual": actual, "predicted": predicted, "group": group, **({"weight": weight} if weighted else {})}

    found = evaluate_columns(classification.evaluate, tmp_path, columns).confidence_intervals

    of_class = {"precision": predicted == 1, "recall": actual == 1, "specificity": actual == 0}
    for name, counted in of_class.items():
        right, weights = (actual == predicted)[counted], weight[counted].astype(float)
        share = np.average(right, weights=weights)
        influence, of_group = np.zeros(600), np.bincount(group[counted], weights)
        influence[counted] = weights * (right - share)
        effect = design_effect(influence, weight.astype(float), group)
        degrees = of_group.sum() ** 2 / (of_group**2).sum() - 1
        effect *= (stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)) ** 2
        of_right, of_wrong = (
            WeightedCount(float(each.sum()), float((each**2).sum() * effect))
            for each in (weights[right], weights[~right])
        )
        right_unit, wrong_unit = least_units(name, actual, predicted, weight, counted)
        expected = weighted_wilson(of_right, of_wrong, right_unit=right_unit * effect, wrong_unit=wrong_unit * effect)
        assert expected is not None
        assert degrees < 38
        assert (found[name].lower, found[name].upper) == pytest.approx((expected.lower, expected.upper), rel=1e-5)
    one, other = found["recall"], found["per_class.1.recall"]
    assert (one.lower, one.upper) == (other.lower, other.upper)


def test_the_variance_of_grouped_areas_is_that_of_obuchowski(tmp_path: Path, patients: dict[str, Any]) -> None:
    """If each example is a group of its own, groups make hardly a difference."""
    alone = {**patients, "group": np.arange(600)}
    plain = {name: each for name, each in patients.items() if name != "group"}

    found = evaluate_columns(classification.evaluate, tmp_path, alone).confidence_intervals
    expected = evaluate_columns(classification.evaluate, tmp_path, plain).confidence_intervals

    for name in expected:
        assert (found[name].lower, found[name].upper) == pytest.approx(
            (expected[name].lower, expected[name].upper), abs=0.01
        ), name


def test_nine_groups_are_too_few(tmp_path: Path, patients: dict[str, Any]) -> None:
    found = evaluate_columns(classification.evaluate, tmp_path, {**patients, "group": patients["group"] % 9})

    assert not found.confidence_intervals
    assert found.effective_sample_size is None
    assert found.intervals_unavailable["accuracy"] == "An interval needs at least 10 groups, not 9."


@pytest.mark.parametrize("group", [["x", None], [1.0, math.nan]], ids=["null", "nan"])
def test_an_example_without_a_group_is_refused(tmp_path: Path, group: list[Any]) -> None:
    columns = {"actual": ["a", "b"], "predicted": ["a", "b"], "group": group}

    with pytest.raises(UnprocessablePredictionsError, match="Row 2 has no group in the column 'group'"):
        evaluate_columns(classification.evaluate, tmp_path, columns)


def test_groups_of_several_classes_have_intervals(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**THREE, **OF_SEVERAL}
    many = {name: list(values) * 10 for name, values in columns.items()}

    for averaging in ("macro", "weighted", "micro"):
        found = evaluate_columns(
            classification.evaluate, tmp_path, {**many, "group": np.arange(50) // 5}, averaging=averaging
        )

        assert {"accuracy", "f1_score", "matthews_correlation", "log_loss"} <= set(found.confidence_intervals)
        assert "roc_auc" in found.confidence_intervals


def test_ten_copies_of_each_example_are_worth_one_in_the_micro_average(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    actual = random.integers(0, 3, 80)
    scores = random.dirichlet([1, 1, 1], 80) * 0.6 + 0.4 * np.eye(3)[actual]
    columns = {"actual": actual, "predicted": scores.argmax(1), **{f"score_{at}": scores[:, at] for at in range(3)}}
    copies = {name: np.repeat(each, 10) for name, each in columns.items()} | {"group": np.repeat(np.arange(80), 10)}

    found, plain = (
        evaluate_columns(classification.evaluate, tmp_path, each, averaging="micro").confidence_intervals["roc_auc"]
        for each in (copies, columns)
    )

    assert (found.lower, found.upper) == pytest.approx((plain.lower, plain.upper), abs=0.01)


def test_groups_widen_the_interval_of_a_correlation_that_no_prediction_informs(tmp_path: Path) -> None:
    """If all examples are predicted as one class, the examples of a group may all be alike."""
    columns = {"actual": [0, 0, 1] * 40, "predicted": [0] * 120}

    plain, found = (
        evaluate_columns(classification.evaluate, tmp_path, each).confidence_intervals["matthews_correlation"]
        for each in (columns, {**columns, "group": np.arange(120) // 10})
    )

    assert found.upper - found.lower > 1.5 * (plain.upper - plain.lower)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_have_the_interval_of_student_with_bad_examples(tmp_path: Path, classes: int, weighted: bool) -> None:
    """They lose what the surest prediction may, and weigh as the heaviest class."""
    random = np.random.default_rng(classes)
    actual = random.integers(0, classes, 150)
    odds = random.normal(0, 2, (150, classes)) + 2 * np.eye(classes)[actual]
    scores = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    columns = {"actual": actual, "predicted": scores.argmax(1)}
    weight = np.where(weighted, 1 + actual * random.integers(1, 4, 150), 1).astype(float)
    by_label = {f"score_{at}": scores[:, at] for at in range(classes)} if classes > 2 else {"score": scores[:, 1]}

    found = evaluate_columns(
        classification.evaluate, tmp_path, {**columns, **by_label, **({"weight": weight} if weighted else {})}
    ).confidence_intervals

    truth = scores[np.arange(150), actual]
    brier = ((scores - np.eye(classes)[actual]) ** 2).sum(1) / (2 if classes == 2 else 1)
    for name, losses, bad in (
        ("log_loss", -np.log(truth), -np.log(scores.min())),
        ("brier_score", brier, 1 if classes == 2 else 2),
    ):
        heaviest = max((weight[actual == at] ** 2).sum() / weight[actual == at].sum() for at in range(classes))
        values, times = np.append(losses, bad), np.append(np.ones(150), 1.25)
        weights = np.append(weight, heaviest)
        mean = np.average(values, weights=times * weights)
        size = (times * weights).sum() ** 2 / (times * weights**2).sum()
        spread = (times * weights**2 * (values - mean) ** 2).sum() / (times * weights).sum() ** 2
        half = stats.t.ppf(0.975, size - 1) * math.sqrt(spread * size / (size - 1))
        expected = min(max(mean - half, 0), np.average(losses, weights=weight)), mean + half
        assert (found[name].lower, found[name].upper) == pytest.approx(expected, rel=1e-6), name


def test_no_error_among_sure_predictions_does_not_tell_that_there_is_none(tmp_path: Path) -> None:
    """Of 130 examples, one error would cost 0.07. The interval allows for about three."""
    actual = np.arange(130) % 2
    columns = {"actual": actual, "predicted": actual, "score": np.where(actual, 0.9999, 0.0001)}

    found = evaluate_columns(classification.evaluate, tmp_path, columns).confidence_intervals["log_loss"]

    assert 0.2 < found.upper < 0.3
    assert found.lower <= 0.0001
