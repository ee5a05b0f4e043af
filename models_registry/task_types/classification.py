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
    metrics=(
        Metric(
            name="accuracy",
            label="Accuracy",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
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
)
