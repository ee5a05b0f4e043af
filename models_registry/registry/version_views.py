"""Versions over HTTP, and their promotion."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from models_registry.accounts.scopes import Scope
from models_registry.api.viewsets import (
    CREATE_ERRORS,
    CreateModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)
from models_registry.registry import promotions, services
from models_registry.registry.errors import GateFailedError, ModelNotFoundError, VersionNotFoundError
from models_registry.registry.filters import VersionFilters
from models_registry.registry.models import Version
from models_registry.registry.serializers import (
    PromotionInput,
    PromotionSerializer,
    VersionChanges,
    VersionInput,
    VersionSerializer,
)
from models_registry.registry.viewsets import PromotingViewSet


@extend_schema_view(
    list=extend_schema(
        operation_id="list_versions",
        tags=["versions"],
        summary="List versions",
        description="Return the versions of a model, newest first.",
    ),
    create=extend_schema(
        operation_id="create_version",
        tags=["versions"],
        summary="Create a version",
        description="Create a model's next version, in training.",
    ),
    retrieve=extend_schema(
        operation_id="get_version", tags=["versions"], summary="Get a version", description="Return one version."
    ),
    partial_update=extend_schema(
        operation_id="update_version",
        tags=["versions"],
        summary="Change a version",
        description=(
            "Change a version's description, tags or state: `training` becomes `completed` or `failed`, both final."
        ),
    ),
)
class VersionViewSet(ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, PromotingViewSet):
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
    errors = {
        "list": (ModelNotFoundError,),
        "create": (ModelNotFoundError,),
        "retrieve": (ModelNotFoundError, VersionNotFoundError),
        "partial_update": (ModelNotFoundError, VersionNotFoundError),
        "promote": (*CREATE_ERRORS, ModelNotFoundError, VersionNotFoundError, GateFailedError),
    }
    input_serializers = {"create": VersionInput, "partial_update": VersionChanges, "promote": PromotionInput}

    def get_queryset(self) -> QuerySet[Version]:
        """Return the versions of the model that the URL names."""
        return super().get_queryset().filter(model=self.get_model())

    def get_object(self, *, lock: bool = False) -> Version:
        """Return the version that the URL names; `lock` locks its model."""
        return self.get_version(lock=lock)

    def perform_create(self, serializer: BaseSerializer[Version]) -> None:
        model = self.get_model(lock=True)
        version = services.create_version(model=model, created_by=self.account, **serializer.validated_data)
        serializer.instance = super().get_queryset().get(pk=version.pk)  # as the database stores its JSON

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.update_version(version=serializer.instance, **serializer.validated_data)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("version", args=[data["model_id"], data["version_id"]])}

    @extend_schema(
        operation_id="promote_version", tags=["promotions"], summary="Promote", responses=PromotionSerializer
    )
    def promote(self, request: Request, model_id: str, version_id: str) -> HttpResponse:
        """Make a completed version its model's promoted one.

        A gate may refuse it; `override` then needs the scope organization:admin and a reason.
        """
        reason = self.get_valid_serializer().validated_data
        self.set_override(reason["override"])
        version = self.get_version()
        if self.stored_response() is None:
            promotions.prepare_promotion(version)

        def promote() -> HttpResponse:
            outcome = promotions.promote(version=self.get_version(lock=True), promoted_by=self.account, **reason)
            return self.promotion_response(outcome)

        return self.run_idempotent(promote)
