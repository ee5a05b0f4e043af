"""Versions of models, and their promotion."""

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry import services
from models_registry.api.conditional import represent
from models_registry.api.filters import VersionFilters
from models_registry.api.promoting import PromotingViewSet
from models_registry.api.registry_serializers import (
    PromotionInput,
    PromotionSerializer,
    VersionChanges,
    VersionInput,
    VersionSerializer,
)
from models_registry.models import Version
from models_registry.scopes import Scope


class VersionViewSet(PromotingViewSet):
    """The versions of a model."""

    queryset = Version.objects.select_related("model", "created_by")
    serializer_class = VersionSerializer
    filterset_class = VersionFilters
    large_columns = ("description", "parameters", "tags")
    ordering = ("-number",)
    scopes = {
        "list": Scope.MODEL_READ,
        "create": Scope.MODEL_WRITE,
        "retrieve": Scope.MODEL_READ,
        "partial_update": Scope.MODEL_WRITE,
        "promote": Scope.MODEL_PROMOTE,
    }
    inputs = {"create": VersionInput, "partial_update": VersionChanges, "promote": PromotionInput}

    @extend_schema(operation_id="list_versions", tags=["versions"], summary="List versions")
    def list(self, request: Request, model_id: str) -> HttpResponse:
        """Return the versions of a model, newest first."""
        return self.page(lambda: self.get_queryset().filter(model=self.get_model()))

    @extend_schema(operation_id="create_version", tags=["versions"], summary="Create a version")
    def create(self, request: Request, model_id: str) -> HttpResponse:
        """Create a model's next version, in training."""
        return self.once(self._create)

    @extend_schema(operation_id="get_version", tags=["versions"], summary="Get a version")
    def retrieve(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Return one version."""
        return self.show(self.get_version())

    @extend_schema(operation_id="update_version", tags=["versions"], summary="Change a version")
    def partial_update(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Change a version's description, tags or state: `training` becomes `completed` or `failed`, both final."""
        with self.writing():
            version = self.get_version(lock=True)
            return self.changed(version, lambda: services.update_version(version=version, **self.body))

    @extend_schema(
        operation_id="promote_version", tags=["promotions"], summary="Promote", responses=PromotionSerializer
    )
    def promote(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Make a completed version its model's promoted one.

        A gate may refuse it; `override` then needs the scope organization:admin and a reason.
        """
        version = self.get_version()
        if self.replayed() is None:
            services.prepare_promotion(version)
        return self.judged_once(lambda: self.promoted(self.get_version(lock=True)))

    def promoted(self, version: Version) -> HttpResponse:
        """Promote a version and answer with the promotion."""
        promotion = services.promote(version=version, promoted_by=self.account, **self.body)
        return represent(PromotionSerializer(promotion).data)

    def _create(self) -> HttpResponse:
        model = self.get_model(lock=True)
        return self.created(services.create_version(model=model, created_by=self.account, **self.body))

    def created(self, version: Version) -> HttpResponse:
        """Answer with a new version, as it is stored."""
        version = self.get_queryset().get(pk=version.pk)
        location = reverse("version", args=[version.model_id, version.version_id])
        return represent(self.represent(version), status=201, headers={"Location": location})
