"""Clustering: group examples that are alike, without knowing the groups beforehand."""

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

# Three clusters on a line, with their centres at 1, 7 and 22; the centre of all points is 10.
_EXAMPLE = {"points": [[0.0], [2.0], [6.0], [8.0], [20.0], [24.0]], "labels": [0, 0, 1, 1, 2, 2]}

TASK_TYPE = TaskType(
    name="clustering",
    label="Clustering",
    description="Groups examples that are alike, without knowing the groups beforehand.",
    metrics=(
        Metric(
            name="silhouette",
            label="Silhouette coefficient",
            direction=Direction.HIGHER,
            lower=-1,
            upper=1,
            definition=(
                "Mean over points of (b - a) / max(a, b), a being the point's mean distance to the others of its "
                "cluster and b that to the points of the nearest other cluster, from -1 to 1, a point alone in its "
                "cluster counting 0."
            ),
            source=(
                "Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster "
                "analysis, doi:10.1016/0377-0427(87)90125-7"
            ),
            example=WorkedExample(given=_EXAMPLE, value=(5 / 7 + 3 / 5 + 3 / 5 + 5 / 7 + 9 / 13 + 13 / 17) / 6),
        ),
        Metric(
            name="davies_bouldin",
            label="Davies–Bouldin index",
            direction=Direction.LOWER,
            lower=0,
            definition=(
                "Mean over clusters of the largest (s(i) + s(j)) / d(i, j) with another cluster, s being a cluster's "
                "mean distance to its centroid and d the distance of two centroids, without unit, 0 or more."
            ),
            source="Davies & Bouldin (1979), A cluster separation measure, doi:10.1109/TPAMI.1979.4766909",
            example=WorkedExample(given=_EXAMPLE, value=(2 / 6 + 2 / 6 + 3 / 15) / 3),
        ),
        Metric(
            name="calinski_harabasz",
            label="Calinski–Harabasz index",
            direction=Direction.HIGHER,
            lower=0,
            definition=(
                "B / (clusters - 1) divided by W / (points - clusters), without unit, 0 or more, B summing over points "
                "the squared distance of their centroid to the centre of all points, and W that of the point to its "
                "centroid."
            ),
            source="Caliński & Harabasz (1974), A dendrite method for cluster analysis, doi:10.1080/03610927408827101",
            example=WorkedExample(given=_EXAMPLE, value=(2 * (9**2 + 3**2 + 12**2) / 2) / (12 / 3)),
        ),
    ),
)
