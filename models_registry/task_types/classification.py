"""Classification: predict which of a fixed set of classes an example belongs to."""

import math

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

# Predicted is 1 from a score of 0.5: 2 true positives, 1 false positive, 2 false negatives, 3 true negatives.
_EXAMPLE = {
    "actual": [1, 1, 1, 1, 0, 0, 0, 0],
    "predicted": [1, 1, 0, 0, 1, 0, 0, 0],
    "score": [0.9, 0.8, 0.4, 0.3, 0.6, 0.4, 0.2, 0.1],
}

TASK_TYPE = TaskType(
    name="classification",
    label="Classification",
    description="Predicts which of a fixed set of classes an example belongs to.",
    has_classes=True,
    per_class_metrics=("precision", "recall", "f1_score", "roc_auc"),
    metrics=(
        Metric(
            name="accuracy",
            label="Accuracy",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            is_proportion=True,
            depends_on=("threshold",),
            definition="Correctly predicted examples divided by all examples, a fraction from 0 to 1.",
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#accuracy-score",
            example=WorkedExample(given=_EXAMPLE, value=5 / 8),
        ),
        Metric(
            name="precision",
            label="Precision",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("positive_class", "averaging", "threshold"),
            definition=(
                "True positives divided by all examples predicted positive, a fraction from 0 to 1, for the positive "
                "class or averaged over the classes."
            ),
            source=(
                "Kent, Berry, Luehrs & Perry (1955), Machine literature searching VIII: Operational criteria for "
                "designing information retrieval systems, doi:10.1002/asi.5090060209"
            ),
            example=WorkedExample(given=_EXAMPLE, value=2 / 3),
        ),
        Metric(
            name="recall",
            label="Recall",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("positive_class", "averaging", "threshold"),
            definition=(
                "True positives divided by all examples that are positive, a fraction from 0 to 1, for the positive "
                "class or averaged over the classes."
            ),
            source=(
                "Kent, Berry, Luehrs & Perry (1955), Machine literature searching VIII: Operational criteria for "
                "designing information retrieval systems, doi:10.1002/asi.5090060209"
            ),
            example=WorkedExample(given=_EXAMPLE, value=2 / 4),
        ),
        Metric(
            name="f1_score",
            label="F1 score",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("positive_class", "averaging", "threshold"),
            definition=(
                "Harmonic mean of precision and recall, 2PR / (P + R), a fraction from 0 to 1, for the positive class "
                "or averaged over the classes."
            ),
            source="van Rijsbergen (1979), Information Retrieval, 2nd edition, chapter 7",
            example=WorkedExample(given=_EXAMPLE, value=4 / 7),
        ),
        Metric(
            name="roc_auc",
            label="ROC AUC",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("positive_class", "averaging"),
            definition=(
                "Area under the ROC curve, which is the probability from 0 to 1 that a random positive example scores "
                "higher than a random negative one, ties counting half, averaged over each class against the rest "
                "where there are more than two."
            ),
            source=(
                "Hanley & McNeil (1982), The meaning and use of the area under a receiver operating characteristic "
                "(ROC) curve, doi:10.1148/radiology.143.1.7063747"
            ),
            # Of the 16 pairs, the positives win 4, 4, 2 and 2, and one pair is a tie.
            example=WorkedExample(given=_EXAMPLE, value=12.5 / 16),
        ),
        Metric(
            name="log_loss",
            label="Log loss",
            direction=Direction.LOWER,
            lower=0,
            definition=(
                "Mean of the negative natural logarithm of the probability that the model gave to the actual class, "
                "in nats, 0 or more."
            ),
            source="Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x",
            example=WorkedExample(
                given=_EXAMPLE,
                value=-math.log(0.9 * 0.8 * 0.4 * 0.3 * (1 - 0.6) * (1 - 0.4) * (1 - 0.2) * (1 - 0.1)) / 8,
            ),
        ),
    ),
    further=(
        Metric(
            name="specificity",
            label="Specificity",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("positive_class", "averaging", "threshold"),
            definition=(
                "True negatives divided by all examples that are negative, a fraction from 0 to 1, for the positive "
                "class or averaged over the classes."
            ),
            source=(
                "Yerushalmy (1947), Statistical problems in assessing methods of medical diagnosis, doi:10.2307/4586294"
            ),
            example=WorkedExample(given=_EXAMPLE, value=3 / 4),
        ),
        Metric(
            name="balanced_accuracy",
            label="Balanced accuracy",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("threshold",),
            definition="Mean of the recall of each class that occurs in the actual labels, a fraction from 0 to 1.",
            source=(
                "Brodersen, Ong, Stephan & Buhmann (2010), The balanced accuracy and its posterior distribution, "
                "doi:10.1109/ICPR.2010.764"
            ),
            example=WorkedExample(given=_EXAMPLE, value=(1 / 2 + 3 / 4) / 2),
        ),
        Metric(
            name="matthews_correlation",
            label="Matthews correlation",
            direction=Direction.HIGHER,
            lower=-1,
            upper=1,
            depends_on=("threshold",),
            definition=(
                "Correlation coefficient of actual and predicted classes, from -1 to 1, and 0 where all examples are "
                "of one class or predicted as one."
            ),
            source=(
                "Gorodkin (2004), Comparing two K-category assignments by a K-category correlation coefficient, "
                "doi:10.1016/j.compbiolchem.2004.09.006"
            ),
            example=WorkedExample(given=_EXAMPLE, value=(2 * 3 - 1 * 2) / math.sqrt(3 * 4 * 4 * 5)),
        ),
        Metric(
            name="cohen_kappa",
            label="Cohen's kappa",
            direction=Direction.HIGHER,
            lower=-1,
            upper=1,
            depends_on=("threshold",),
            definition=(
                "Accuracy in excess of what chance gives for these frequencies of classes, divided by the most that it "
                "could be in excess, from -1 to 1."
            ),
            source="Cohen (1960), A coefficient of agreement for nominal scales, doi:10.1177/001316446002000104",
            example=WorkedExample(given=_EXAMPLE, value=(5 / 8 - 1 / 2) / (1 - 1 / 2)),
        ),
        Metric(
            name="average_precision",
            label="Average precision",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            depends_on=("positive_class", "averaging"),
            definition=(
                "Mean over the positive examples of the precision where all that score at least as high are taken for "
                "positive, a fraction from 0 to 1, which is the area under the precision-recall curve."
            ),
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics",
            example=WorkedExample(given=_EXAMPLE, value=(1 + 1 + 3 / 5 + 4 / 6) / 4),
        ),
        Metric(
            name="brier_score",
            label="Brier score",
            direction=Direction.LOWER,
            lower=0,
            upper=2,
            definition=(
                "Mean of (probability of the positive class - 1 if it is positive, 0 if not)², from 0 to 1, or with "
                "more than two classes the mean of the sum of these squares over the classes, from 0 to 2."
            ),
            source=(
                "Brier (1950), Verification of forecasts expressed in terms of probability, "
                "doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"
            ),
            example=WorkedExample(given=_EXAMPLE, value=(0.01 + 0.04 + 0.36 + 0.49 + 0.36 + 0.16 + 0.04 + 0.01) / 8),
        ),
        Metric(
            name="expected_calibration_error",
            label="Expected calibration error",
            direction=Direction.LOWER,
            lower=0,
            upper=1,
            depends_on=("threshold",),
            has_interval=False,
            definition=(
                "With the examples sorted into 15 equal ranges by the probability of the predicted class, the absolute "
                "difference between the mean probability and the fraction predicted correctly in each range, averaged "
                "over the ranges with their numbers of examples as weights, a fraction from 0 to 1."
            ),
            source="Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, arXiv:1706.04599",
            # Three are predicted with 0.6, one of them correctly; one with 0.7, not; two with 0.8, two with 0.9, all.
            example=WorkedExample(
                given=_EXAMPLE, value=(abs(3 * 0.6 - 1) + abs(0.7 - 0) + abs(2 * 0.8 - 2) + abs(2 * 0.9 - 2)) / 8
            ),
        ),
    ),
)
