"""What promoting a version and rolling a model back have in common."""

import re
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.accounts.models import ModelGrant, Organization
from models_registry.accounts.scopes import Scope
from models_registry.accounts.views import no_such, user_named
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response
from models_registry.api.filters import StrictFilterBackend, StrictOrdering
from models_registry.api.viewsets import CREATE_ERRORS
from models_registry.registry import promotions, services
from models_registry.registry.errors import GateFailedError, ModelNotFoundError, VersionNotFoundError
from models_registry.registry.filters import ModelFilters, VersionFilters
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.serializers import (
    GrantInput,
    GrantSerializer,
    ModelChanges,
    ModelInput,
    ModelSerializer,
    PromotionInput,
    PromotionSerializer,
    VersionChanges,
    VersionInput,
    VersionSerializer,
)
from models_registry.registry.viewsets import RegistryViewSet


class PromotingViewSet(RegistryViewSet):
    """A gate may refuse a promotion, and an admin may overrule it."""

    @property
    def scope(self) -> Scope:
        """The scope that the action needs: overruling a gate is for admins, which the body decides."""
        overrules = self.inputs.get(self.action) is PromotionInput and self.body.get("override")
        return Scope.ORGANIZATION_ADMIN if overrules else super().scope

    def judged_once(self, work: Callable[[], HttpResponse]) -> HttpResponse:
        """Answer as `once` does. A gate's refusal is an answer as well: its verdict is kept, and so is the answer."""

        def judged() -> HttpResponse:
            try:
                with transaction.atomic():
                    return work()
            except GateFailedError as refusal:
                refusal.keep(self.account)
                return self.handle_exception(refusal)

        return self.once(judged)


class ModelViewSet(PromotingViewSet):
    """Models, and what is promoted of them."""

    queryset = RegisteredModel.objects.with_state().select_related("organization", "promoted_version", "created_by")
    models = queryset
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
    inputs = {"create": ModelInput, "partial_update": ModelChanges, "roll_back": PromotionInput}

    @extend_schema(operation_id="list_models", tags=["models"], summary="List models")
    def list(self, request: Request) -> HttpResponse:
        """Return the models that the caller may read."""
        return self.page(self._readable)

    def find_target(self) -> Any:
        """Return the model that the URL names. A new one needs an organization in which the caller may register it."""
        if self.action != "create":
            return super().find_target()
        self.refuse_narrowed()
        if not self.everywhere and not Organization.objects.permitting(self.scope, self.account.pk).exists():
            self.check_object_permissions(self.request, None)
        return None

    @extend_schema(operation_id="register_model", tags=["models"], summary="Register a model")
    def create(self, request: Request) -> HttpResponse:
        """Register a model of an organization. Its task type decides which metrics it has, and stays."""
        organization = self._owner(self.body["organization"])
        content = {**self.body, "organization": organization, "created_by": self.account}
        return self.once(lambda: self.created(services.register_model(**content)))

    @extend_schema(operation_id="get_model", tags=["models"], summary="Get a model")
    def retrieve(self, request: Request, model_id: str) -> HttpResponse:
        """Return one model, with the state that follows from its versions."""
        return self.show(self.get_model())

    @extend_schema(operation_id="update_model", tags=["models"], summary="Change a model")
    def partial_update(self, request: Request, model_id: str) -> HttpResponse:
        """Change a model's name, description or tags. With `If-Match`, only the state that it names is changed."""
        with self.writing():
            model = self.get_model(lock=True)
            return self.changed(model, lambda: services.update_model(model=model, **self.body))

    @extend_schema(operation_id="archive_model", tags=["models"], summary="Archive a model")
    def destroy(self, request: Request, model_id: str) -> HttpResponse:
        """Archive a model: it can be read as before, and takes no more writes."""
        with self.writing():
            model = self.get_model(lock=True)
            return self.removed(model, lambda: services.archive_model(model=model))

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
        self.get_model()
        return self.judged_once(self._back)

    def _back(self) -> HttpResponse:
        model = self.get_model(lock=True)
        promotion = promotions.roll_back(model=model, promoted_by=self.account, **self.body)
        return json_response(PromotionSerializer(promotion).data)

    def created(self, model: RegisteredModel) -> HttpResponse:
        """Answer with a new model."""
        stored = self.get_queryset().get(pk=model.pk)  # with its state
        location = reverse("model", args=[model.pk])
        return json_response(self.represent(stored), status=201, headers={"Location": location})

    def _readable(self) -> Any:
        self.refuse_narrowed()
        models: Any = self.get_queryset()
        return models if self.everywhere else models.permitting(self.scope, self.account.pk)

    def _owner(self, slug: str) -> Organization:
        organizations: Any = Organization.objects
        owner: Organization | None = (
            organizations.with_permission(self.scope, self.account.pk).filter(slug=slug).first()
        )
        if owner is None:
            raise no_such("organization", f"There is no organization {slug[:40]!r}.")
        self.check_object_permissions(self.request, owner)
        return owner


class GrantViewSet(RegistryViewSet):
    """Scopes that single users hold on one model, beside the members of its organization."""

    queryset = ModelGrant.objects.select_related("user")
    serializer_class = GrantSerializer
    ordering = ("pk",)
    scopes = dict.fromkeys(("list", "create", "retrieve", "destroy"), Scope.ORGANIZATION_ADMIN)
    errors = {
        "list": (ModelNotFoundError,),
        "create": (ModelNotFoundError,),
        "retrieve": (ModelNotFoundError, NotFoundError),
        "destroy": (ModelNotFoundError, NotFoundError),
    }
    inputs = {"create": GrantInput}

    @extend_schema(operation_id="list_grants", tags=["models"], summary="List grants")
    def list(self, request: Request, model_id: str) -> HttpResponse:
        """Return the grants on a model, oldest first."""
        return self.page(lambda: self.get_queryset().filter(model=self.get_model()))

    @extend_schema(operation_id="create_grant", tags=["models"], summary="Grant a scope")
    def create(self, request: Request, model_id: str) -> HttpResponse:
        """Give a user a scope on a model."""
        return self.once(self._give)

    @extend_schema(operation_id="get_grant", tags=["models"], summary="Get a grant")
    def retrieve(self, request: Request, model_id: str, grant_id: str) -> HttpResponse:
        """Return one grant."""
        return self.show(self._grant())

    @extend_schema(operation_id="revoke_grant", tags=["models"], summary="Revoke a grant")
    def destroy(self, request: Request, model_id: str, grant_id: str) -> HttpResponse:
        """Take a grant back, on an archived model as well: what it allowed is refused at once."""
        with self.writing():
            grant = self._grant()
            return self.removed(grant, lambda: services.revoke_grant(grant=grant))

    def _give(self) -> HttpResponse:
        model = self.get_model(lock=True)
        user = user_named(self.body["username"])
        return self.created(services.grant(model=model, user=user, scope=self.body["scope"]))

    def created(self, grant: ModelGrant) -> HttpResponse:
        """Answer with a new grant."""
        location = reverse("grant", args=[grant.model_id, grant.pk])
        return json_response(self.represent(grant), status=201, headers={"Location": location})

    def _grant(self) -> ModelGrant:
        model = self.get_model()
        grant: ModelGrant | None = self.get_queryset().filter(model=model, pk=row_id(self.kwargs["grant_id"])).first()
        if grant is None:
            raise NotFoundError(f"{model.pk} has no such grant. Its grants are listed.")
        return grant


class PromotionViewSet(RegistryViewSet):
    """The history of a model's promotions."""

    queryset = Promotion.objects.select_related("version", "previous_version", "promoted_by")
    serializer_class = PromotionSerializer
    large_columns = ("reason", "verdict")
    ordering = ("-pk",)
    scopes = {"list": Scope.MODEL_READ}
    errors = (ModelNotFoundError,)

    @extend_schema(operation_id="list_promotions", tags=["promotions"], summary="List promotions")
    def list(self, request: Request, model_id: str) -> HttpResponse:
        """Return what was promoted when, by whom and why, newest first."""
        return self.page(lambda: self.get_queryset().filter(model=self.get_model()))


def row_id(text: str) -> int:
    """Return the key of a row that an id in a URL stands for: 0, which no row has, for what is not an id."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,17}", text) else 0


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
    errors = {
        "list": (ModelNotFoundError,),
        "create": (ModelNotFoundError,),
        "retrieve": (ModelNotFoundError, VersionNotFoundError),
        "partial_update": (ModelNotFoundError, VersionNotFoundError),
        "promote": (*CREATE_ERRORS, ModelNotFoundError, VersionNotFoundError, GateFailedError),
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
            promotions.prepare_promotion(version)
        return self.judged_once(lambda: self.promoted(self.get_version(lock=True)))

    def promoted(self, version: Version) -> HttpResponse:
        """Promote a version and answer with the promotion."""
        promotion = promotions.promote(version=version, promoted_by=self.account, **self.body)
        return json_response(PromotionSerializer(promotion).data)

    def _create(self) -> HttpResponse:
        model = self.get_model(lock=True)
        return self.created(services.create_version(model=model, created_by=self.account, **self.body))

    def created(self, version: Version) -> HttpResponse:
        """Answer with a new version, as it is stored."""
        version = self.get_queryset().get(pk=version.pk)
        location = reverse("version", args=[version.model_id, version.version_id])
        return json_response(self.represent(version), status=201, headers={"Location": location})
