"""The metrics are those of the contract, and their worked examples agree with independent implementations."""

import contextlib
import io
import math
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import sacrebleu
import scipy.stats
import sklearn.metrics
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models_registry.task_types import all_task_types
from models_registry.task_types.base import Direction, Metric, TaskType

CONTRACT = {
    "classification": ["accuracy", "precision", "recall", "f1_score", "roc_auc", "log_loss"],
    "regression": ["rmse", "mae", "r_squared", "mape"],
    "forecasting": ["mae", "rmse", "smape", "mase"],
    "ranking": ["ndcg", "map", "mrr", "recall_at_k"],
    "clustering": ["silhouette", "davies_bouldin", "calinski_harabasz"],
    "object_detection": ["map_50_95", "map_50", "map_75", "mean_recall"],
    "text_generation": ["exact_match", "bleu", "rouge_l", "perplexity"],
}

BETTER_WHEN_LOWER = {
    ("classification", "log_loss"),
    ("regression", "rmse"),
    ("regression", "mae"),
    ("regression", "mape"),
    ("forecasting", "mae"),
    ("forecasting", "rmse"),
    ("forecasting", "smape"),
    ("forecasting", "mase"),
    ("clustering", "davies_bouldin"),
    ("text_generation", "perplexity"),
    ("classification", "brier_score"),
    ("classification", "expected_calibration_error"),
    ("regression", "median_absolute_error"),
    ("regression", "max_error"),
    ("forecasting", "wape"),
}

CLOSER_TO_ZERO = {("regression", "bias")}
FURTHER = {
    "classification": [
        "specificity",
        "balanced_accuracy",
        "matthews_correlation",
        "cohen_kappa",
        "average_precision",
        "brier_score",
        "expected_calibration_error",
    ],
    "regression": ["median_absolute_error", "max_error", "explained_variance", "bias"],
    "forecasting": ["wape"],
    "ranking": ["precision_at_k"],
}

BOUNDS = {
    ("classification", "matthews_correlation"): (-1, 1),
    ("classification", "cohen_kappa"): (-1, 1),
    ("classification", "brier_score"): (0, 2),
    ("regression", "median_absolute_error"): (0, None),
    ("regression", "max_error"): (0, None),
    ("regression", "explained_variance"): (None, 1),
    ("regression", "bias"): (None, None),
    ("forecasting", "wape"): (0, None),
    ("classification", "log_loss"): (0, None),
    ("regression", "rmse"): (0, None),
    ("regression", "mae"): (0, None),
    ("regression", "r_squared"): (None, 1),
    ("regression", "mape"): (0, None),
    ("forecasting", "mae"): (0, None),
    ("forecasting", "rmse"): (0, None),
    ("forecasting", "smape"): (0, 2),
    ("forecasting", "mase"): (0, None),
    ("clustering", "silhouette"): (-1, 1),
    ("clustering", "davies_bouldin"): (0, None),
    ("clustering", "calinski_harabasz"): (0, None),
    ("text_generation", "perplexity"): (1, None),
}
FRACTION = (0, 1)

type_and_metric = pytest.mark.parametrize(
    ("task_type", "metric"),
    [
        pytest.param(task_type.name, metric, id=f"{task_type.name}-{metric.name}")
        for task_type in all_task_types()
        for metric in task_type.all_metrics
    ],
)

Given = Mapping[str, Any]


def predictions(metric: Callable[..., float]) -> Callable[[Given], float]:
    return lambda given: metric(given["actual"], given["predicted"])


def scores(metric: Callable[..., float]) -> Callable[[Given], float]:
    return lambda given: metric(given["actual"], given["score"])


def clusters(metric: Callable[..., float]) -> Callable[[Given], float]:
    return lambda given: metric(given["points"], given["labels"])


def mean_over_queries(of_query: Callable[[list[int], int], float]) -> Callable[[Given], float]:
    return lambda given: sum(of_query(query, given["k"]) for query in given["relevance"]) / len(given["relevance"])


def smape(given: Given) -> float:
    pairs = list(zip(given["actual"], given["predicted"], strict=True))
    return sum(abs(a - p) / ((abs(a) + abs(p)) / 2) for a, p in pairs) / len(pairs)


def mase(given: Given) -> float:
    training, season = given["training"], given["season"]
    naive = sklearn.metrics.mean_absolute_error(training[season:], training[:-season])
    pairs = list(zip(given["actual"], given["predicted"], strict=True))
    return sum(abs(a - p) / naive for a, p in pairs) / len(pairs)


def ndcg(relevance: list[int], k: int) -> float:
    return sklearn.metrics.ndcg_score([relevance], [range(len(relevance), 0, -1)])


def average_precision(relevance: list[int], k: int) -> float:
    relevant = [grade > 0 for grade in relevance]
    return sklearn.metrics.average_precision_score(relevant, range(len(relevance), 0, -1))


def reciprocal_rank(relevance: list[int], k: int) -> float:
    return 1 / next(rank for rank, grade in enumerate(relevance, start=1) if grade > 0)


def recall_at_k(relevance: list[int], k: int) -> float:
    return len([grade for grade in relevance[:k] if grade]) / len([grade for grade in relevance if grade])


def precision_at_k(relevance: list[int], k: int) -> float:
    return len([grade for grade in relevance[:k] if grade]) / k


def calibration_error(given: Given) -> float:
    sure = [score if said else 1 - score for score, said in zip(given["score"], given["predicted"], strict=True)]
    right = [one == other for one, other in zip(given["actual"], given["predicted"], strict=True)]
    ranges = [math.ceil(confidence * 15) for confidence in sure]
    total = 0.0
    for number in set(ranges):
        inside = [at for at, other in enumerate(ranges) if other == number]
        total += abs(sum(sure[at] for at in inside) - sum(right[at] for at in inside))
    return total / len(sure)


def wape(given: Given) -> float:
    absolute = sklearn.metrics.mean_absolute_error(given["actual"], given["predicted"])
    return absolute / scipy.stats.tmean([abs(value) for value in given["actual"]])


def coco(statistic: int) -> Callable[[Given], float]:
    """Compute one of the twelve numbers that `COCOeval.summarize` prints."""

    def evaluate(given: Given) -> float:
        classes = sorted({box["class"] for box in given["actual"]})
        images = sorted({box["image"] for box in given["actual"]})

        def annotations(boxes: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                {
                    "id": number,
                    "image_id": box["image"],
                    "category_id": classes.index(box["class"]) + 1,
                    "bbox": box["box"],
                    "area": box["box"][2] * box["box"][3],
                    "iscrowd": 0,
                    "score": box.get("score"),
                }
                for number, box in enumerate(boxes, start=1)
            ]

        with contextlib.redirect_stdout(io.StringIO()):
            actual = COCO()
            actual.dataset = {
                "images": [{"id": image} for image in images],
                "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
                "annotations": annotations(given["actual"]),
            }
            actual.createIndex()
            predicted = COCO()
            predicted.dataset = {**actual.dataset, "annotations": annotations(given["predicted"])}
            predicted.createIndex()
            evaluation = COCOeval(actual, predicted, iouType="bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return evaluation.stats[statistic]

    return evaluate


def exact_match(given: Given) -> float:
    return sklearn.metrics.accuracy_score(given["reference"], given["generated"])


def bleu(given: Given) -> float:
    score = sacrebleu.corpus_bleu(
        given["generated"], [given["reference"]], smooth_method="none", tokenize="none", lowercase=False
    )
    return score.score / 100


def rouge_l(given: Given) -> float:
    from absl import logging as absl_logging
    from rouge_score.rouge_scorer import RougeScorer  # not by each process of a run, as it loads nltk

    # It loads absl, whose log handler would close pytest's standard error when Django configures logging.
    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    pairs = list(zip(given["reference"], given["generated"], strict=True))
    return sum(scorer.score(*pair)["rougeL"].fmeasure for pair in pairs) / len(pairs)


INDEPENDENT: dict[tuple[str, str], Callable[[Given], float]] = {
    ("classification", "accuracy"): predictions(sklearn.metrics.accuracy_score),
    ("classification", "precision"): predictions(sklearn.metrics.precision_score),
    ("classification", "recall"): predictions(sklearn.metrics.recall_score),
    ("classification", "f1_score"): predictions(sklearn.metrics.f1_score),
    ("classification", "roc_auc"): scores(sklearn.metrics.roc_auc_score),
    ("classification", "log_loss"): scores(sklearn.metrics.log_loss),
    ("classification", "specificity"): lambda given: sklearn.metrics.recall_score(
        given["actual"], given["predicted"], pos_label=0
    ),
    ("classification", "balanced_accuracy"): predictions(sklearn.metrics.balanced_accuracy_score),
    ("classification", "matthews_correlation"): predictions(sklearn.metrics.matthews_corrcoef),
    ("classification", "cohen_kappa"): predictions(sklearn.metrics.cohen_kappa_score),
    ("classification", "average_precision"): scores(sklearn.metrics.average_precision_score),
    ("classification", "brier_score"): scores(sklearn.metrics.brier_score_loss),
    ("classification", "expected_calibration_error"): calibration_error,
    ("regression", "median_absolute_error"): predictions(sklearn.metrics.median_absolute_error),
    ("regression", "max_error"): predictions(sklearn.metrics.max_error),
    ("regression", "explained_variance"): predictions(sklearn.metrics.explained_variance_score),
    ("regression", "bias"): lambda given: scipy.stats.tmean(
        [predicted - actual for actual, predicted in zip(given["actual"], given["predicted"], strict=True)]
    ),
    ("forecasting", "wape"): wape,
    ("ranking", "precision_at_k"): mean_over_queries(precision_at_k),
    ("regression", "rmse"): predictions(sklearn.metrics.root_mean_squared_error),
    ("regression", "mae"): predictions(sklearn.metrics.mean_absolute_error),
    ("regression", "r_squared"): predictions(sklearn.metrics.r2_score),
    ("regression", "mape"): predictions(sklearn.metrics.mean_absolute_percentage_error),
    ("forecasting", "mae"): predictions(sklearn.metrics.mean_absolute_error),
    ("forecasting", "rmse"): predictions(sklearn.metrics.root_mean_squared_error),
    ("forecasting", "smape"): smape,
    ("forecasting", "mase"): mase,
    ("ranking", "ndcg"): mean_over_queries(ndcg),
    ("ranking", "map"): mean_over_queries(average_precision),
    ("ranking", "mrr"): mean_over_queries(reciprocal_rank),
    ("ranking", "recall_at_k"): mean_over_queries(recall_at_k),
    ("clustering", "silhouette"): clusters(sklearn.metrics.silhouette_score),
    ("clustering", "davies_bouldin"): clusters(sklearn.metrics.davies_bouldin_score),
    ("clustering", "calinski_harabasz"): clusters(sklearn.metrics.calinski_harabasz_score),
    ("object_detection", "map_50_95"): coco(0),
    ("object_detection", "map_50"): coco(1),
    ("object_detection", "map_75"): coco(2),
    ("object_detection", "mean_recall"): coco(8),
    ("text_generation", "exact_match"): exact_match,
    ("text_generation", "bleu"): bleu,
    ("text_generation", "rouge_l"): rouge_l,
    ("text_generation", "perplexity"): lambda given: 1 / scipy.stats.gmean(given["token_probability"]),
}


def test_the_summary_metrics_are_those_of_the_contract_in_its_order() -> None:
    assert {t.name: [metric.name for metric in t.metrics] for t in all_task_types()} == CONTRACT


def test_the_further_metrics_are_those_that_an_evaluation_computes() -> None:
    assert {t.name: [metric.name for metric in t.further] for t in all_task_types() if t.further} == FURTHER


@type_and_metric
def test_a_worked_example_is_what_an_independent_implementation_computes(task_type: str, metric: Metric) -> None:
    independent = INDEPENDENT[task_type, metric.name]
    assert math.isclose(metric.example.value, independent(metric.example.given), rel_tol=1e-9, abs_tol=1e-9)


def test_no_worked_example_exceeds_another_that_bounds_it() -> None:
    for task_type in all_task_types():
        metrics = {metric.name: metric for metric in task_type.all_metrics}
        for metric, other in ((each, metrics[name]) for each in metrics.values() for name in each.at_most):
            assert metric.example.given == other.example.given
            assert abs(metric.example.value) <= other.example.value


@type_and_metric
def test_a_worked_example_is_a_value_that_the_metric_accepts(task_type: str, metric: Metric) -> None:
    assert type(metric.example.value) is float
    assert metric.validation_error(metric.example.value) is None


@type_and_metric
def test_a_metric_improves_in_its_direction(task_type: str, metric: Metric) -> None:
    name = task_type, metric.name
    if name in CLOSER_TO_ZERO:
        assert metric.direction is Direction.ZERO
        assert metric.goodness(-1) == metric.goodness(1) < metric.goodness(0.5)
    else:
        assert metric.direction is (Direction.LOWER if name in BETTER_WHEN_LOWER else Direction.HIGHER)
        assert (metric.goodness(0.6) > metric.goodness(0.5)) == (metric.direction is Direction.HIGHER)


@type_and_metric
def test_the_bounds_of_a_metric_agree_with_its_definition(task_type: str, metric: Metric) -> None:
    assert (metric.lower, metric.upper) == BOUNDS.get((task_type, metric.name), FRACTION)


@type_and_metric
def test_a_metric_is_named_in_snake_case(task_type: str, metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", metric.name)


@type_and_metric
def test_a_metric_has_a_label_a_one_sentence_definition_and_a_source(task_type: str, metric: Metric) -> None:
    assert metric.label.strip()
    assert metric.source.strip()
    assert re.fullmatch(r"\S.+\S\.", metric.definition)
    assert ". " not in metric.definition


@pytest.mark.parametrize("task_type", all_task_types(), ids=lambda task_type: task_type.name)
def test_a_task_type_has_a_description_and_unique_metric_labels(task_type: TaskType) -> None:
    labels = [metric.label for metric in task_type.all_metrics]
    assert len(set(labels)) == len(labels)
    assert task_type.label.strip()
    assert task_type.description.strip()
