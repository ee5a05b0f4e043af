"""Models, their grants and their promotions over HTTP."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from models_registry.accounts.models import ModelGrant, Organization
from models_registry.accounts.scopes import Scope
from models_registry.accounts.selectors import lock_active_user
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response
from models_registry.api.fields import UNREADABLE, NameField
from models_registry.api.filters import StrictFilterBackend, StrictOrdering
from models_registry.api.lookups import missing_reference
from models_registry.api.viewsets import (
    CREATE_ERRORS,
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)
from models_registry.registry import promotions, services
from models_registry.registry.errors import GateFailedError, ModelNotFoundError
from models_registry.registry.filters import ModelFilters
from models_registry.registry.models import Promotion, RegisteredModel
from models_registry.registry.serializers import (
    GrantInput,
    GrantSerializer,
    ModelChanges,
    ModelInput,
    ModelSerializer,
    NamedModelInput,
    PromotionInput,
    PromotionSerializer,
)
from models_registry.registry.viewsets import ModelRecordViewSet, PromotingViewSet, RegistryViewSet


@extend_schema_view(
    list=extend_schema(
        operation_id="list_models",
        tags=["models"],
        summary="List models",
        description="Return the models that the caller may read.",
    ),
    create=extend_schema(
        operation_id="register_model",
        tags=["models"],
        summary="Register a model",
        description=("Register a model of an organization. Its task type decides which metrics it has, and stays."),
    ),
    retrieve=extend_schema(
        operation_id="get_model",
        tags=["models"],
        summary="Get a model",
        description="Return one model, with the state that follows from its versions.",
    ),
    partial_update=extend_schema(
        operation_id="update_model",
        tags=["models"],
        summary="Change a model",
        description=(
            "Change a model's name, description, tags or, until metrics are computed, its positive class. With "
            "`If-Match`, only the state that it names is changed."
        ),
    ),
    destroy=extend_schema(
        operation_id="archive_model",
        tags=["models"],
        summary="Archive a model",
        description="Archive a model: it can be read as before, and takes no more writes.",
    ),
)
class ModelViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, DestroyModelMixin, PromotingViewSet
):
    """Registered models, and the rollback of their promotions."""

    queryset = RegisteredModel.objects.with_state().select_related("organization", "promoted_version", "created_by")
    serializer_class = ModelSerializer
    filterset_class = ModelFilters
    filter_backends = (StrictFilterBackend, StrictOrdering)
    ordering_fields = ("created_at", "name")
    large_columns = ("description", "tags")
    ordering = ("-created_at",)
    scopes = {
        "list": Scope.MODEL_READ,
        "create": Scope.ORGANIZATION_EDITOR,
        "retrieve": Scope.MODEL_READ,
        "partial_update": Scope.MODEL_WRITE,
        "destroy": Scope.ORGANIZATION_ADMIN,
        "roll_back": Scope.MODEL_PROMOTE,
    }
    errors = {
        "retrieve": (ModelNotFoundError,),
        "partial_update": (ModelNotFoundError,),
        "destroy": (ModelNotFoundError,),
        "roll_back": (*CREATE_ERRORS, ModelNotFoundError, GateFailedError),
    }
    input_serializers = {"create": ModelInput, "partial_update": ModelChanges, "roll_back": PromotionInput}

    def check_target(self) -> None:
        """Check the caller's scope on the model, or that there is an organization in which they may register one."""
        if self.action != "create":
            super().check_target()
            return
        self.check_token_scopes()
        if not self.is_superuser and not Organization.objects.permitting(self.scope, self.account.pk).exists():
            self.check_object_permissions(self.request, None)

    def get_queryset(self) -> QuerySet[RegisteredModel]:
        """Return the models on which the caller has the action's scope: all for a superuser."""
        self.check_token_scopes()
        return self.queryset.all() if self.is_superuser else self.queryset.permitting(self.scope, self.account.pk)

    def read_model(self, model_id: str) -> RegisteredModel | None:
        """Return a model with what its representation shows."""
        models = self.queryset.with_permission(self.scope, self.account.pk)
        model: RegisteredModel | None = models.filter(pk=model_id).first()
        return model

    def get_object(self, *, lock: bool = False) -> RegisteredModel:
        """Return the model that the URL names."""
        return self.get_model(lock=lock)

    def get_owner(self, slug: str) -> Organization:
        """Return the organization of a new model. Raises `InvalidBodyError` or `PermissionDenied`."""
        owner = Organization.objects.with_permission(self.scope, self.account.pk).filter(slug=slug).first()
        if owner is None:
            raise missing_reference("organization", f"There is no organization {slug[:40]!r}.")
        self.check_object_permissions(self.request, owner)
        return owner

    def perform_create(self, serializer: BaseSerializer[RegisteredModel]) -> None:
        model = services.register_model(**serializer.validated_data, created_by=self.account)
        serializer.instance = self.queryset.get(pk=model.pk)  # with its state

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = services.update_model(model=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: RegisteredModel) -> None:
        services.archive_model(model=instance)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("model", args=[data["model_id"]])}

    @extend_schema(
        operation_id="roll_back_model",
        tags=["promotions"],
        summary="Roll back",
        responses=PromotionSerializer,
    )
    def roll_back(self, request: Request, model_id: str) -> HttpResponse:
        """Promote the previously promoted version again; repeated, it goes further back.

        What was only ever promoted against a gate is judged again. If it fails, `override` is needed, with the scope
        organization:admin and a reason.
        """
        reason = self.get_valid_serializer().validated_data
        self.set_override(reason["override"])

        def promote() -> HttpResponse:
            outcome = promotions.roll_back(model=self.get_model(lock=True), promoted_by=self.account, **reason)
            return self.promotion_response(outcome)

        return self.run_idempotent(promote)


class NamedModelViewSet(RegistryViewSet):
    """Models of an organization by name."""

    queryset = ModelViewSet.queryset
    serializer_class = ModelSerializer
    scopes = {"update": Scope.ORGANIZATION_EDITOR}
    errors = {"update": (NotFoundError,)}
    input_serializers = {"update": NamedModelInput}

    def check_target(self) -> None:
        """Check the organization, the caller's scope in it, and that a model can have the name."""
        super().check_target()
        missing = NotFoundError("No model has such a name: a name is one line of visible text, up to 200 characters.")
        if UNREADABLE in self.kwargs["name"]:
            raise missing
        try:
            self.model_name = str(NameField().run_validation(self.kwargs["name"]))
        except ValidationError:
            raise missing from None

    @extend_schema(
        operation_id="get_or_register_model",
        tags=["models"],
        summary="Get or register a model",
        responses={200: ModelSerializer, 201: ModelSerializer},
    )
    def update(self, request: Request, slug: str, name: str) -> HttpResponse:
        """Register a model under this name, or return the model that has it, unchanged.

        Repeating the request is safe. A model of another task type is a conflict.
        """
        content = self.get_valid_serializer().validated_data
        with self.audited_transaction():
            model, created = services.get_or_register_model(
                organization=self.get_organization(), name=self.model_name, created_by=self.account, **content
            )
            model = self.queryset.get(pk=model.pk)  # with its state
            self.check_if_match(model)
            return json_response(self.get_response_serializer(model).data, status=201 if created else 200)


@extend_schema_view(
    list=extend_schema(
        operation_id="list_grants",
        tags=["models"],
        summary="List grants",
        description="Return the grants on a model, oldest first.",
    ),
    create=extend_schema(
        operation_id="create_grant",
        tags=["models"],
        summary="Grant a scope",
        description="Give a user a scope on a model.",
    ),
    retrieve=extend_schema(
        operation_id="get_grant", tags=["models"], summary="Get a grant", description="Return one grant."
    ),
    destroy=extend_schema(
        operation_id="revoke_grant",
        tags=["models"],
        summary="Revoke a grant",
        description="Revoke a grant, also on an archived model. The user loses the scope at once.",
    ),
)
class GrantViewSet(ModelRecordViewSet):
    """Scopes that single users have on one model, in addition to the members of its organization."""

    queryset = ModelGrant.objects.select_related("user")
    serializer_class = GrantSerializer
    ordering = ("pk",)
    record_name, lookup_url_kwarg = "grant", "grant_id"
    input_serializers = {"create": GrantInput}

    def perform_create(self, serializer: BaseSerializer[ModelGrant]) -> None:
        model = self.get_model(lock=True)
        user = lock_active_user(serializer.validated_data["username"])
        serializer.instance = services.grant(model=model, user=user, scope=serializer.validated_data["scope"])

    def perform_destroy(self, instance: ModelGrant) -> None:
        services.revoke_grant(grant=instance)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        return {"Location": reverse("grant", args=[data["model_id"], data["id"]])}


@extend_schema_view(
    list=extend_schema(
        operation_id="list_promotions",
        tags=["promotions"],
        summary="List promotions",
        description="Return what was promoted when, by whom and why, newest first.",
    )
)
class PromotionViewSet(ListModelMixin, RegistryViewSet):
    """The history of a model's promotions."""

    queryset = Promotion.objects.select_related("version", "previous_version", "promoted_by")
    serializer_class = PromotionSerializer
    large_columns = ("reason", "verdict")
    ordering = ("-pk",)
    scopes = {"list": Scope.MODEL_READ}
    errors = (ModelNotFoundError,)

    def get_queryset(self) -> QuerySet[Promotion]:
        """Return the promotions of the model that the URL names."""
        return super().get_queryset().filter(model=self.get_model())
