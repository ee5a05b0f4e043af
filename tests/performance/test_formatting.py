"""Numbers formatted for people."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance.formatting import format_consistently, format_six_digits


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.9583333333333334, "0.958333"),
        (0.93, "0.93"),
        (1234567.0, "1234567"),
        (1234567.891, "1.23457e+06"),
        (-0.0, "0"),
    ],
)
def test_numbers_have_at_most_six_digits_and_whole_numbers_all(number: float, text: str) -> None:
    assert format_six_digits(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_six_significant_digits(number: float) -> None:
    assert math.isclose(float(format_six_digits(number)), number, rel_tol=5.1e-6, abs_tol=1e-320)


def test_decimals_in_a_sentence_are_rounded() -> None:
    text = "ver-00001: accuracy is 0.9583333333333334, and 1e-07 in per_class.1.23456789.recall; 0.9299999999999999."
    assert format_consistently([text]) == [
        "ver-00001: accuracy is 0.958333, and 1e-07 in per_class.1.23456789.recall; 0.93."
    ]


def test_a_value_just_below_a_bound_looks_different_from_it() -> None:
    assert format_consistently(["0.93", "0.92999999", "0.51234567"]) == ["0.93", "0.92999999", "0.51234567"]


@pytest.mark.parametrize("text", ["", "1e999", "-1e999", "1.5.5", "\ud800 1.", "9" * 400, "1." + "9" * 400])
def test_any_text_can_be_rounded(text: str) -> None:
    assert len(format_consistently([text, text])) == 2


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_different_numbers_stay_different_after_rounding(one: float, other: float) -> None:
    first, second = format_consistently([repr(one), repr(other)])
    assert (first == second) == (one == other)
