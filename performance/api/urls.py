"""The performance routes, below `/api/v1`."""

from django.urls import path

from performance.api.views import PerformanceViewSet

urlpatterns = [
    path(
        "models/<str:model_id>/performance/summary",
        PerformanceViewSet.as_view({"get": "summary"}),
        name="performance-summary",
    ),
]
