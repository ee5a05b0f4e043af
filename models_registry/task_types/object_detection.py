"""Object detection: find the objects in an image, and say what each is."""

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

# Boxes are [left, top, width, height]. The cats overlap their detections by an IoU of 0.82 and 0.62, with a false
# alarm scored in between; the dog is found exactly. So the cat's average precision is (51 + 50 · 2/3) / 101 at the
# 3 IoU thresholds to 0.60, 51 / 101 at the 4 to 0.80, and 0 at the last 3; the dog's is 1 at all of them.
_EXAMPLE = {
    "actual": [
        {"image": 1, "class": "cat", "box": [0, 0, 10, 50]},
        {"image": 2, "class": "cat", "box": [0, 0, 10, 50]},
        {"image": 2, "class": "dog", "box": [200, 0, 20, 20]},
    ],
    "predicted": [
        {"image": 1, "class": "cat", "box": [0, 0, 10, 41], "score": 0.9},
        {"image": 1, "class": "cat", "box": [100, 100, 10, 50], "score": 0.8},
        {"image": 2, "class": "cat", "box": [0, 0, 10, 31], "score": 0.7},
        {"image": 2, "class": "dog", "box": [200, 0, 20, 20], "score": 0.6},
    ],
}

_COCO = (
    "Lin et al. (2014), Microsoft COCO: Common Objects in Context, doi:10.1007/978-3-319-10602-1_48, as evaluated by "
    "https://cocodataset.org/#detection-eval"
)

TASK_TYPE = TaskType(
    name="object_detection",
    label="Object detection",
    description="Finds the objects in an image, and says what each is.",
    metrics=(
        Metric(
            name="map_50_95",
            label="mAP@[.50:.95]",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            at_most=("map_50",),
            definition=(
                "Mean over classes, and over the IoU thresholds from 0.50 to 0.95 in steps of 0.05, of average "
                "precision interpolated at 101 recall levels, with at most 100 detections an image, a fraction from "
                "0 to 1."
            ),
            source=_COCO,
            example=WorkedExample(given=_EXAMPLE, value=((3 * (51 + 50 * 2 / 3) + 4 * 51) / 101 / 10 + 1) / 2),
        ),
        Metric(
            name="map_50",
            label="mAP@.50",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Mean over classes of average precision interpolated at 101 recall levels, with at most 100 "
                "detections an image, a detection matching from an IoU of 0.50, a fraction from 0 to 1."
            ),
            source=_COCO,
            example=WorkedExample(given=_EXAMPLE, value=((51 + 50 * 2 / 3) / 101 + 1) / 2),
        ),
        Metric(
            name="map_75",
            label="mAP@.75",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            at_most=("map_50",),
            definition=(
                "Mean over classes of average precision interpolated at 101 recall levels, with at most 100 "
                "detections an image, a detection matching from an IoU of 0.75, a fraction from 0 to 1."
            ),
            source=_COCO,
            example=WorkedExample(given=_EXAMPLE, value=(51 / 101 + 1) / 2),
        ),
        Metric(
            name="mean_recall",
            label="Mean recall (AR@100)",
            direction=Direction.HIGHER,
            lower=0,
            upper=1,
            definition=(
                "Mean over classes, and over the IoU thresholds from 0.50 to 0.95 in steps of 0.05, of the share of "
                "objects found with at most 100 detections an image, a fraction from 0 to 1."
            ),
            source=_COCO,
            example=WorkedExample(given=_EXAMPLE, value=((3 * 2 / 2 + 4 * 1 / 2 + 3 * 0 / 2) / 10 + 1) / 2),
        ),
    ),
)
