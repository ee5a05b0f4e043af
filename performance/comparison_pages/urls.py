"""The URLs of the comparison pages, which the admin site puts before those of its lists."""

from django.urls import register_converter
from django.urls.converters import StringConverter

from performance.comparison_pages.leaderboard_views import DatasetLeaderboardView, ExamplesLeaderboardView
from performance.comparison_pages.views import CompareSnapshotsView, CompareVersionsView


class DigestConverter(StringConverter):
    """A SHA-256 in hexadecimal digits."""

    regex = "[0-9a-f]{64}"


register_converter(DigestConverter, "sha256")

# The view of each page, with its route below the admin site and its name.
PAGES = [
    (
        "models_registry/registeredmodel/<str:model_id>/compare/",
        CompareVersionsView,
        "models_registry_registeredmodel_compare",
    ),
    ("performance/metricsnapshot/compare/", CompareSnapshotsView, "performance_metricsnapshot_compare"),
    (
        "performance/dataset/<int:dataset_id>/leaderboard/",
        DatasetLeaderboardView,
        "performance_dataset_leaderboard",
    ),
    ("performance/leaderboard/<sha256:digest>/", ExamplesLeaderboardView, "performance_leaderboard"),
]
