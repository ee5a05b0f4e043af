"""The performance routes, below `/api/v1`."""

from django.urls import URLPattern, path

from models_registry.urls import MODEL, ORGANIZATION, ROWS, route
from performance.badges.views import BadgeImageViewSet, BadgeViewSet
from performance.comparisons.views import ComparisonViewSet
from performance.evaluations.views import EvaluationViewSet, WorstExamplesViewSet
from performance.gates.policy_views import ModelPolicyViewSet, OrganizationPolicyViewSet
from performance.gates.views import GateViewSet, VerdictViewSet
from performance.imports.views import ImportViewSet
from performance.model_cards.views import ModelCardViewSet
from performance.snapshots.dataset_views import DatasetViewSet
from performance.snapshots.snapshot_views import SnapshotViewSet
from performance.snapshots.views import PerformanceViewSet, SlicesViewSet
from performance.snapshots.viewsets import PerformanceReadViewSet
from performance.webhooks.views import WebhookDeliveryViewSet, WebhookViewSet

POLICY = {"get": "retrieve", "put": "update", "delete": "destroy"}
VERSION = f"{MODEL}/versions/<str:version_id>"
SNAPSHOTS = f"{VERSION}/snapshots"
WEBHOOKS = f"{ORGANIZATION}/webhooks"
WEBHOOK = f"{WEBHOOKS}/<str:webhook_id>"


def reading(name: str, viewset: type[PerformanceReadViewSet] = PerformanceViewSet) -> URLPattern:
    """Return the route of a read of performance."""
    return path(
        f"models/<str:model_id>/performance/{name}",
        viewset.as_view({"get": name.replace("-", "_")}),
        name=f"performance-{name}",
    )


summary = PerformanceViewSet.as_view({"get": "summary"})
gate = GateViewSet.as_view({"get": "gate", "post": "judge"})
most_requested = [  # `config.api_middleware` finds them without the resolver
    path(f"api/v1/{MODEL}/performance/summary", summary, name="performance-summary"),
    path(f"api/v1/{MODEL}/performance/gate", gate, name="gate"),
]

urlpatterns = [
    reading("report"),
    reading("confusion-matrix"),
    reading("misclassifications", WorstExamplesViewSet),
    reading("residuals", WorstExamplesViewSet),
    reading("slices", SlicesViewSet),
    reading("curves"),
    reading("history"),
    reading("compare", ComparisonViewSet),
    path(f"{MODEL}/performance/badge.svg", BadgeImageViewSet.as_view({"get": "badge"}), name="performance-badge"),
    path(SNAPSHOTS, SnapshotViewSet.as_view({"get": "list", "post": "create"}), name="snapshots"),
    path(f"{SNAPSHOTS}:batch", SnapshotViewSet.as_view({"post": "create_batch"}), name="snapshots-batch"),
    path(f"{SNAPSHOTS}/<str:snapshot_id>", SnapshotViewSet.as_view({"get": "retrieve"}), name="snapshot"),
    path(f"{VERSION}/model-card", ModelCardViewSet.as_view({"get": "model_card"}), name="model-card"),
    path(f"{VERSION}/evaluations", EvaluationViewSet.as_view({"post": "create"}), name="evaluations"),
    path("evaluations/<str:evaluation_id>", EvaluationViewSet.as_view({"get": "retrieve"}), name="evaluation"),
    route(f"{MODEL}/gate-policy", ModelPolicyViewSet, POLICY, "model-gate-policy"),
    route(f"{MODEL}/verdicts", VerdictViewSet, {"get": "list"}, "verdicts"),
    route(f"{MODEL}/badges", BadgeViewSet, ROWS, "badges"),
    route(f"{MODEL}/badges/<str:badge_id>", BadgeViewSet, {"get": "retrieve", "delete": "destroy"}, "badge"),
    route(f"{ORGANIZATION}/gate-policy", OrganizationPolicyViewSet, POLICY, "organization-gate-policy"),
    route(f"{ORGANIZATION}/datasets", DatasetViewSet, ROWS, "datasets"),
    path(f"{ORGANIZATION}/imports", ImportViewSet.as_view({"post": "create"}), name="imports"),
    path(WEBHOOKS, WebhookViewSet.as_view({"get": "list", "post": "create"}), name="webhooks"),
    path(
        WEBHOOK,
        WebhookViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="webhook",
    ),
    path(f"{WEBHOOK}/test", WebhookViewSet.as_view({"post": "send_test"}), name="webhook-test"),
    path(f"{WEBHOOK}/deliveries", WebhookDeliveryViewSet.as_view({"get": "list"}), name="webhook-deliveries"),
]
