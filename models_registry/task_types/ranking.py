"""Ranking: put the items that answer a query in order."""

import math

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

# Three queries; for each the graded relevance of all its items, in the order in which the model ranked them.
_EXAMPLE = {"relevance": [[3, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 1]], "k": 2}

TASK_TYPE = TaskType(
    name="ranking",
    label="Ranking",
    description="Puts the items that answer a query in order, the most relevant first.",
    metrics=(
        Metric(
            name="ndcg",
            label="NDCG",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Mean over queries of the sum of relevance / log2(rank + 1) over all ranked items, divided by the same "
                "sum for the best possible order, a fraction from 0 to 1."
            ),
            source=(
                "Järvelin & Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, "
                "doi:10.1145/582415.582418, with the discount log2(rank + 1) at every rank"
            ),
            example=WorkedExample(
                given=_EXAMPLE,
                value=((3 + 2 / math.log2(4)) / (3 + 2 / math.log2(3)) + 1 / math.log2(3) + 1 / math.log2(5)) / 3,
            ),
        ),
        Metric(
            name="map",
            label="MAP",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Mean over queries of average precision, which is the precision of the ranking down to each relevant "
                "item, averaged over the query's relevant items, a fraction from 0 to 1."
            ),
            source="Buckley & Voorhees (2000), Evaluating evaluation measure stability, doi:10.1145/345508.345543",
            example=WorkedExample(given=_EXAMPLE, value=((1 / 1 + 2 / 3) / 2 + 1 / 2 + 1 / 4) / 3),
        ),
        Metric(
            name="mrr",
            label="MRR",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Mean over queries of 1 / rank of the first relevant item, 0 for a query without one, a fraction from "
                "0 to 1."
            ),
            source="Voorhees (1999), The TREC-8 Question Answering Track Report",
            example=WorkedExample(given=_EXAMPLE, value=(1 / 1 + 1 / 2 + 1 / 4) / 3),
        ),
        Metric(
            name="recall_at_k",
            label="Recall@k",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("k",),
            definition=(
                "Mean over queries of the relevant items among the first k ranked divided by all relevant items of the "
                "query, a fraction from 0 to 1, k being the evaluation's choice."
            ),
            source="Manning, Raghavan & Schütze (2008), Introduction to Information Retrieval, chapter 8",
            example=WorkedExample(given=_EXAMPLE, value=(1 / 2 + 1 / 1 + 0 / 1) / 3),
        ),
    ),
    further=(
        Metric(
            name="precision_at_k",
            label="Precision at k",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("k",),
            definition=(
                "Mean over queries of the relevant items among the first k ranked divided by k, a fraction from 0 to "
                "1, k being the evaluation's choice."
            ),
            source="Manning, Raghavan & Schütze (2008), Introduction to Information Retrieval, chapter 8",
            example=WorkedExample(given=_EXAMPLE, value=(1 / 2 + 1 / 2 + 0 / 2) / 3),
        ),
    ),
)
