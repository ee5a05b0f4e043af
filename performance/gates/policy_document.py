"""Find what is wrong with the fields of a policy's JSON document, whatever the task type."""

import math
from collections.abc import Iterator, Mapping

from models_registry.api.field_errors import FieldError
from models_registry.registry import ids
from performance.gates.gate_input import Operator
from performance.gates.measurement import COMPUTED
from performance.gates.regression import BEST, PROMOTED
from performance.metrics.inputs.options import AVERAGINGS, MAX_K, MAX_LABEL_LENGTH
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.dataset_names import AMBIGUOUS, is_dataset_name

SPLITS = ("train", "validation", "test")
MAX_RULES = 100
MAX_NAME_LENGTH = 300  # characters of a metric's name
MAX_QUOTED_LENGTH = 40  # characters of a name in an error
MAX_AGE = 36_500  # days
MAX_SAMPLE_COUNT = 2**53  # that every reader of JSON keeps
PINS = ("positive_class", "averaging", "threshold", "k")  # the options that a policy may pin
AGAINST = f"{PROMOTED}, {BEST} or the id of a version"

_FIELDS = ("dataset_split", "dataset", "source", "same_dataset", "max_age_days", "evaluation", "against", "rules")
_RULE_FIELDS = (
    "metric",
    "operator",
    "threshold",
    "max_regression",
    "relative",
    "confidence",
    "against",
    "min_sample_count",
)


def document_errors(document: Mapping[str, object]) -> Iterator[FieldError]:
    """Yield the errors of a document's fields, each with its path, such as `rules.0.metric`."""
    yield from _split_errors(document)
    yield from _requirement_errors(document)
    yield from _rules_errors(document)
    yield from _unknown_field_errors("", document, _FIELDS)


def _unknown_field_errors(path: str, document: Mapping[str, object], known: tuple[str, ...]) -> Iterator[FieldError]:
    for name in document:
        if name not in known:
            yield f"{path}{name[:MAX_QUOTED_LENGTH]}", "unknown_field", f"Unknown field; use {', '.join(known)}."


def _split_errors(document: Mapping[str, object]) -> Iterator[FieldError]:
    if document.get("dataset_split", "test") not in SPLITS:
        yield "dataset_split", "invalid_choice", f"Must be one of {', '.join(SPLITS)}, in lower case."


def _requirement_errors(document: Mapping[str, object]) -> Iterator[FieldError]:
    """Yield the errors of the fields that say what snapshots must meet, and what limits compare with."""
    if not is_dataset_name(document.get("dataset", "primary")):
        detail = f"Must be the name of a dataset: one line of 1 to {MAX_DATASET_NAME} characters. {AMBIGUOUS}"
        yield "dataset", "invalid", detail
    if document.get("source", COMPUTED) != COMPUTED:
        yield (
            "source",
            "invalid_choice",
            f"Must be {COMPUTED}; leave it out to judge reported and imported metrics too.",
        )
    if not isinstance(document.get("same_dataset", False), bool):
        yield "same_dataset", "invalid", "Must be true or false."
    if "max_age_days" in document and not _is_whole(document["max_age_days"], MAX_AGE):
        yield "max_age_days", "invalid", f"Must be a whole number of days from 1 to {MAX_AGE}."
    yield from _against_errors("", document)
    pins = document.get("evaluation", {})
    if not isinstance(pins, Mapping):
        yield "evaluation", "invalid", f"Must be an object with any of {', '.join(PINS)}."
    else:
        yield from _unknown_field_errors("evaluation.", pins, PINS)
        yield from _pin_errors(pins)


def _pin_errors(pins: Mapping[str, object]) -> Iterator[FieldError]:
    positive_class = pins.get("positive_class", "")
    if not isinstance(positive_class, str) or len(positive_class) > MAX_LABEL_LENGTH:
        yield "evaluation.positive_class", "invalid", 'Must be a label as text, such as "1".'
    if "averaging" in pins and pins["averaging"] not in AVERAGINGS:
        yield "evaluation.averaging", "invalid_choice", f"Must be one of {', '.join(AVERAGINGS)}."
    if "threshold" in pins and not _is_number(pins["threshold"]):
        yield "evaluation.threshold", "invalid", "Must be a finite number."
    if "k" in pins and not _is_whole(pins["k"], MAX_K):
        yield "evaluation.k", "invalid", f"Must be a whole number from 1 to {MAX_K}."


def _against_errors(path: str, document: Mapping[str, object]) -> Iterator[FieldError]:
    against = document.get("against", PROMOTED)
    if not isinstance(against, str) or not (against in (PROMOTED, BEST) or ids.is_version_id(against)):
        yield f"{path}against", "invalid_choice", f"Must be {AGAINST}."


def _rules_errors(document: Mapping[str, object]) -> Iterator[FieldError]:
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        yield "rules", "empty", "Must be a list of at least one rule."
    elif len(rules) > MAX_RULES:
        yield "rules", "max_length", f"Must have at most {MAX_RULES} rules."
    else:
        for index, rule in enumerate(rules):
            yield from _rule_errors(f"rules.{index}", rule)


def _rule_errors(path: str, rule: object) -> Iterator[FieldError]:
    if not isinstance(rule, Mapping):
        yield path, "invalid", "Must be an object."
        return
    yield from _unknown_field_errors(f"{path}.", rule, _RULE_FIELDS)
    metric = rule.get("metric")
    if not isinstance(metric, str) or not 1 <= len(metric) <= MAX_NAME_LENGTH:
        yield f"{path}.metric", "invalid", f"Must be the name of a metric: 1 to {MAX_NAME_LENGTH} characters."
    if "max_regression" not in rule:
        yield from _threshold_errors(path, rule)
    elif "operator" in rule or "threshold" in rule:
        yield path, "invalid", "Must have either `operator` and `threshold`, or `max_regression`."
    else:
        yield from _number_errors(path, rule, "max_regression")
    if "relative" in rule and not ("max_regression" in rule and isinstance(rule["relative"], bool)):
        yield f"{path}.relative", "invalid", "Must be true or false, beside `max_regression`."
    if "confidence" in rule:
        yield from _number_errors(path, rule, "confidence")
    if "against" in rule and "max_regression" not in rule:
        yield f"{path}.against", "invalid", "Only a rule with `max_regression` may have it."
    else:
        yield from _against_errors(f"{path}.", rule)
    if "min_sample_count" in rule and not _is_whole(rule["min_sample_count"], MAX_SAMPLE_COUNT):
        yield f"{path}.min_sample_count", "invalid", "Must be a whole number from 1."


def _threshold_errors(path: str, rule: Mapping[str, object]) -> Iterator[FieldError]:
    if rule.get("operator") not in [*Operator]:
        detail = f"Must be one of {', '.join(Operator)}; or give `max_regression`."
        yield f"{path}.operator", "invalid_choice", detail
    yield from _number_errors(path, rule, "threshold")


def _number_errors(path: str, rule: Mapping[str, object], name: str) -> Iterator[FieldError]:
    if not _is_number(rule.get(name)):
        yield f"{path}.{name}", "invalid", "Must be a finite number."


def _is_whole(value: object, most: int) -> bool:
    """Return whether a value is a whole number from 1 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
