"""Text generation: write a text in answer to another."""

import math

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

_EXAMPLE = {
    "generated": ["the cat sat on the mat today", "it was raining", "yes"],
    "reference": ["the cat sat on the mat", "it was raining all day", "yes"],
}

TASK_TYPE = TaskType(
    name="text_generation",
    label="Text generation",
    description="Writes a text in answer to another.",
    metrics=(
        Metric(
            name="exact_match",
            label="Exact match",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            is_proportion=True,
            definition=(
                "Generated texts that equal their reference character for character divided by all generated texts, "
                "a fraction from 0 to 1."
            ),
            source=(
                "Rajpurkar, Zhang, Lopyrev & Liang (2016), SQuAD: 100,000+ Questions for Machine Comprehension of "
                "Text, doi:10.18653/v1/D16-1264, without its removal of articles and punctuation"
            ),
            example=WorkedExample(given=_EXAMPLE, value=1 / 3),
        ),
        Metric(
            name="bleu",
            label="BLEU",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Geometric mean of the clipped precisions of 1- to 4-grams pooled over all texts, unsmoothed, times "
                "exp(1 - reference words / generated words) where that is below 1, a fraction from 0 to 1 where "
                "some tools report 0 to 100."
            ),
            source=(
                "Papineni, Roukos, Ward & Zhu (2002), BLEU: a method for automatic evaluation of machine translation, "
                "doi:10.3115/1073083.1073135"
            ),
            example=WorkedExample(
                given=_EXAMPLE, value=math.exp(1 - 12 / 11) * (10 / 11 * 7 / 8 * 5 / 6 * 3 / 4) ** (1 / 4)
            ),
        ),
        Metric(
            name="rouge_l",
            label="ROUGE-L",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Mean over texts of 2 L / (reference words + generated words), L being the words of their longest "
                "common subsequence, which is the F-measure weighing precision and recall alike, a fraction from 0 "
                "to 1."
            ),
            source=(
                "Lin (2004), ROUGE: A package for automatic evaluation of summaries, "
                "https://aclanthology.org/W04-1013, with β = 1"
            ),
            example=WorkedExample(given=_EXAMPLE, value=(2 * 6 / 13 + 2 * 3 / 8 + 2 * 1 / 2) / 3),
        ),
        Metric(
            name="perplexity",
            label="Perplexity",
            direction=Direction.LOWER,
            lower=1,
            definition=(
                "Exponential of the mean negative natural logarithm of the probability that the model gave to each "
                "token of the reference texts, without unit, 1 or more."
            ),
            source=(
                "Jelinek, Mercer, Bahl & Baker (1977), Perplexity: a measure of the difficulty of speech recognition "
                "tasks, doi:10.1121/1.2016299"
            ),
            example=WorkedExample(given={"token_probability": [0.5, 0.25, 0.125]}, value=4.0),
        ),
    ),
)
