"""The SQL that ranks scores. ROC AUC, average precision and the curves follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from performance.metrics.inputs.sql import number_literal, string_literal

FINE_RANGES = 1000  # of each rate, for a problem whose curves are drawn
COARSE_RANGES = 1
MAX_RANGES = 256  # of scores that are sorted separately
# Of the class that has fewer groups: how many there are, if all were equally large
GROUPS_OF_BOTH = (
    "least(sum(of_positives) * sum(of_positives) / sum(of_positives * of_positives), "
    "sum(of_negatives) * sum(of_negatives) / sum(of_negatives * of_negatives))"
)
_FIELDS = ("label", "positives", "negatives", "ranges", "score", "positive")


@dataclass(frozen=True, slots=True)
class OneVsRest:
    """A binary problem: one class against the rest.

    `score` is the expression of the class's scores; `positives` and `negatives` are the weights of its examples and of
    all others. The cells of a curve divide each rate into `ranges` equal ranges.
    """

    label: str
    score: str
    positives: float
    negatives: float
    ranges: int = FINE_RANGES


def bounds_statement(problems: Sequence[OneVsRest], ranges: int, *, actual: str, where: str) -> str:
    """Return the statement that selects a list of scores, which divide all scores into about equally many examples."""
    shares = ", ".join(f"{at / ranges!r}" for at in range(1, ranges))
    return f"SELECT approx_quantile(score, [{shares}]) FROM ({_scored(problems, actual, None, where)})"


def cells_statement(
    problems: Sequence[OneVsRest],
    *,
    actual: str,
    weight: str | None = None,
    where: str = "TRUE",
    bounds: Sequence[float] = (),
) -> str:
    """Return the statement that selects the cells of each problem, preceded by its label.

    `actual`, `weight` and `where` are SQL expressions. The ranges of scores between `bounds`, which ascend, are sorted
    separately. The result is the same.
    """
    w = "w * " if weight else ""
    label = "label, " if len(problems) > 1 else ""
    return f"""
        WITH {_placements(problems, actual, weight, where, bounds=bounds)}
        SELECT {label or f"{string_literal(problems[0].label)}, "}positive, {"sum(w)" if weight else "count(*)"},
            {"sum(w * w)" if weight else "count(*)"}, sum({w}place), sum({w}{w}place), sum({w}{w}place * place),
            sum({w}precise), max(true_from), max(false_from), min(score)
        FROM placed GROUP BY {label}positive, cell
    """


def group_sums_statement(
    problems: Mapping[str, OneVsRest],
    *,
    areas: Mapping[str, float],
    averages: Mapping[str, float],
    group: str,
    actual: str,
    weight: str | None,
    where: str,
) -> str:
    """Return the statement that selects the sums by group of each problem's influences, preceded by its label.

    They are the sums of the squared influence and of its fourth power, for ROC AUC and then for average precision, and
    how many groups (effectively) have examples of the class that has fewer. Obuchowski (1997), Nonparametric analysis
    of clustered ROC curve data, doi:10.2307/2533958, sums the placements by group. `areas` and `averages` are the ROC
    AUC and the average precision of each problem, by label. `group`, `actual`, `weight` and `where` are SQL
    expressions.
    """
    several = len(problems) > 1
    label = "label" if several else string_literal(next(iter(problems)))
    partition = "PARTITION BY label " if several else ""
    w = "w" if weight else "1"

    def value(numbers: Mapping[str, float]) -> str:
        branches = " ".join(
            f"WHEN {string_literal(name)} THEN {number_literal(each)}" for name, each in numbers.items()
        )
        return f"CASE label {branches} END" if several else number_literal(next(iter(numbers.values())))

    positives = value({name: each.positives for name, each in problems.items()})
    negatives = value({name: each.negatives for name, each in problems.items()})
    all_from = "(true_from + false_from)"
    return f"""
        WITH {_placements([*problems.values()], actual, weight, where, group)},
        influenced AS (
            SELECT *, sum({w} * positive * false_from / {all_from} / {all_from}) OVER up_to AS raised,
                sum({w} * positive * true_from / {all_from} / {all_from}) OVER up_to AS lowered
            FROM placed WINDOW up_to AS ({partition}ORDER BY score)
        )
        SELECT {"label, " if several else label + ", "}sum(a * a), sum(a * a * a * a), sum(p * p), sum(p * p * p * p),
            {GROUPS_OF_BOTH}
        FROM (
            SELECT {"label, " if several else ""}g,
                sum({w} * (place - {value(areas)}) / CASE WHEN positive = 1 THEN {positives} ELSE {negatives} END) AS a,
                sum({w} * CASE WHEN positive = 1 THEN precise - {value(averages)} + raised ELSE -lowered END)
                    / min({positives}) AS p,
                {weights_of_both(w)}
            FROM influenced GROUP BY {"label, " if several else ""}g
        )
        {"GROUP BY label" if several else ""}
    """


def weights_of_both(weight: str) -> str:
    """Return the SQL of the weights of a group's positives and negatives, which `GROUPS_OF_BOTH` needs."""
    return (
        f"CAST(sum({weight} * positive) AS DOUBLE) AS of_positives, "
        f"CAST(sum({weight} * (1 - positive)) AS DOUBLE) AS of_negatives"
    )


def _placements(
    problems: Sequence[OneVsRest],
    actual: str,
    weight: str | None,
    where: str,
    group: str | None = None,
    bounds: Sequence[float] = (),
) -> str:
    """Return the queries that compute each example's placement, precision and cell.

    The placement is the share of the negatives below a positive, or of the positives above a negative; ties count half.
    The precision is that of predicting positive from the example's score upwards.
    """
    several = len(problems) > 1
    label = "label, " if several else ""
    weight_column = ("w, " if weight else "") + ("g, " if group else "")
    # Rows of several problems carry their totals: a CASE over a thousand labels would compare each row with each.
    passed = f"{label}{weight_column}{'positives, negatives, ranges, ' if several else ''}"
    positives = "positives" if several else number_literal(problems[0].positives)
    negatives = "negatives" if several else number_literal(problems[0].negatives)
    ranges = "ranges" if several else str(problems[0].ranges)
    scored, weighted = _scored(problems, actual, weight, where, group), weight is not None
    ranked = ranked_query(passed, label, bounds, weighted=weighted)
    return f"""
        scored AS ({scored}),
        ranked AS ({ranked}),
        placed AS (
            SELECT {label}{weight_column}score, positive, true_from, all_from - true_from AS false_from,
                true_from / all_from AS precise, {placement(positives, negatives)} AS place,
                floor({ranges} * true_from / {positives})
                    + floor({ranges} * (all_from - true_from) / {negatives}) * {FINE_RANGES + 2}
                    + floor({ranges} * true_from / all_from) * {(FINE_RANGES + 2) ** 2} AS cell
            FROM ranked
        )
    """


def ranked_query(passed: str, partition: str, bounds: Sequence[float], *, weighted: bool) -> str:
    """Return the query of the weight of all examples and of the positives, from each score upwards and tied with it.

    It selects from `scored`, whose scores are in `score`, whose weights in `w`, and whose positives have 1 as
    `positive`. `passed` are columns to pass through, and `partition` those whose values are ranked separately. The
    ranges of scores between `bounds`, which ascend, are sorted separately.
    """
    if bounds:
        return _ranked_by_range(passed, partition, bounds, weighted=weighted)
    return _ranked(passed, partition, weighted)


def _ranked_by_range(passed: str, label: str, bounds: Sequence[float], *, weighted: bool) -> str:
    """Return the query that sorts each range of scores by itself, and adds the weights above it."""
    all_in, true_in = ("sum(w)", "sum(w * positive)") if weighted else ("count(*)", "sum(positive)")
    partition = "PARTITION BY label " if label else ""
    return f"""
        WITH ranged AS (SELECT *, {_range_number(bounds)} AS score_range FROM scored),
        totals AS (
            SELECT {label}score_range, {all_in} AS all_in, {true_in} AS true_in FROM ranged
            GROUP BY {label}score_range
        ),
        offsets AS (
            SELECT {label}score_range, coalesce(sum(all_in) OVER above, 0) AS all_above,
                coalesce(sum(true_in) OVER above, 0) AS true_above
            FROM totals WINDOW above AS (
                {partition}ORDER BY score_range DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
        )
        SELECT {passed}score, positive, all_from + all_above AS all_from, all_tied, true_from + true_above AS true_from,
            true_tied
        FROM ({_ranked(f"score_range, {passed}", f"{label}score_range, ", weighted, "ranged")})
        JOIN offsets USING ({label}score_range)
    """


def _range_number(bounds: Sequence[float], below: int = 0) -> str:
    """Return how many of the bounds a score reaches, plus `below`."""
    if not bounds:
        return str(below)
    at = len(bounds) // 2
    lower, upper = _range_number(bounds[:at], below), _range_number(bounds[at + 1 :], below + at + 1)
    return f"CASE WHEN score < {number_literal(bounds[at])} THEN {lower} ELSE {upper} END"


def _ranked(passed: str, partition: str, weighted: bool, relation: str = "scored") -> str:
    """Return the query that sorts all scores of a relation at once."""
    by = f"PARTITION BY {partition.removesuffix(', ')} " if partition else ""
    if weighted:
        all_from, all_tied = "sum(w) OVER from_here", "sum(w) OVER tied"
        true_from, true_tied = "sum(w * positive) OVER from_here", "sum(w * positive) OVER tied"
    else:  # counts and ranks are cheaper than sums
        all_from, all_tied = "count(*) OVER from_here", "count(*) OVER from_here - rank() OVER from_here + 1"
        true_from, true_tied = (
            f"count(CASE WHEN positive = 1 THEN 1 END) OVER {each}" for each in ("from_here", "tied")
        )
    return f"""
        SELECT {passed}score, positive,
            CAST({all_from} AS DOUBLE) AS all_from, CAST({all_tied} AS DOUBLE) AS all_tied,
            CAST({true_from} AS DOUBLE) AS true_from, CAST({true_tied} AS DOUBLE) AS true_tied
        FROM {relation}
        WINDOW from_here AS ({by}ORDER BY score DESC),
            tied AS ({by}ORDER BY score DESC RANGE BETWEEN CURRENT ROW AND CURRENT ROW)
    """


def placement(positives: str, negatives: str) -> str:
    """Return the SQL of an example's placement, from the columns of `ranked_query` and the weights of both classes."""
    return f"""CASE WHEN positive = 1
        THEN ({negatives} - (all_from - true_from) + (all_tied - true_tied) / 2) / {negatives}
        ELSE (true_from - true_tied / 2) / {positives} END"""


def _scored(
    problems: Sequence[OneVsRest], actual: str, weight: str | None, where: str, group: str | None = None
) -> str:
    """Return the query of each score and whether its example is positive, in one scan for any number of problems."""
    weight_column = (f"{weight} AS w, " if weight else "") + (f"{group} AS g, " if group else "")
    condition = f"{where} AND {weight} > 0" if weight else where
    if len(problems) == 1:
        [problem] = problems
        positive = f"CAST({_is_positive(problem, actual)} AS TINYINT)"
        return (
            f"SELECT {weight_column}{problem.score} AS score, {positive} AS positive FROM predictions WHERE {condition}"
        )
    each = ", ".join(_struct(problem, actual) for problem in problems)
    parts = ", ".join(f"problem.{name} AS {name}" for name in _FIELDS)
    return f"""
        SELECT {"w, " if weight else ""}{"g, " if group else ""}{parts}
        FROM (SELECT {weight_column}unnest([{each}]) AS problem FROM predictions WHERE {condition})
    """


def _struct(problem: OneVsRest, actual: str) -> str:
    parts = (
        string_literal(problem.label),
        number_literal(problem.positives),
        number_literal(problem.negatives),
        str(problem.ranges),
        problem.score,
        _is_positive(problem, actual),
    )
    return f"{{{', '.join(f'{string_literal(name)}: {part}' for name, part in zip(_FIELDS, parts, strict=True))}}}"


def _is_positive(problem: OneVsRest, actual: str) -> str:
    return f"CASE WHEN {actual} = {string_literal(problem.label)} THEN 1 ELSE 0 END"
