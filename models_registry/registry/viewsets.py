"""The base class of viewsets whose URL names a model, or one of its versions."""

from functools import cached_property

from django.db.models import Model, QuerySet
from django.http import HttpResponse

from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response
from models_registry.api.lookups import get_or_404, parse_row_id
from models_registry.api.viewsets import (
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
)
from models_registry.api.writes import lock_row
from models_registry.registry import ids, selectors
from models_registry.registry.errors import GateFailedError, ModelNotFoundError, VersionNotFoundError
from models_registry.registry.models import Promotion, RegisteredModel, Version
from models_registry.registry.promotions import CheckResult
from models_registry.registry.serializers import PromotionSerializer


class RegistryViewSet(OrganizationScopedViewSet):
    """Records of a model, or of one of its versions. The caller needs the action's scope on the model."""

    def check_target(self) -> None:
        """Check that what the URL names exists and that the caller has the action's scope on it."""
        if "version_id" in self.kwargs:
            self.get_version()
        elif "model_id" in self.kwargs:
            self.get_model()
        else:
            super().check_target()

    def get_model(self, *, lock: bool = False) -> RegisteredModel:
        """Return the model that the URL names, locked until the transaction ends if `lock` is true.

        Raises `ModelNotFoundError` or `PermissionDenied`.
        """
        if not lock:
            return self.named_model
        lock_row(self.named_model)
        return self.find_model(self.kwargs["model_id"])

    @cached_property
    def named_model(self) -> RegisteredModel:
        """The model that the URL names, as it was when it was first needed. Raises as `get_model` does."""
        return self.find_model(self.kwargs["model_id"])

    def find_model(self, model_id: str) -> RegisteredModel:
        """Return a model if the caller has the action's scope on it. Raises as `get_model` does."""
        model = self.read_model(model_id) if ids.is_model_id(model_id) else None
        if model is None:
            raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
        self.check_object_permissions(self.request, model)
        return model

    def read_model(self, model_id: str) -> RegisteredModel | None:
        """Return a model with `permitted`: whether the caller has the action's scope on it."""
        number = self.version_number if "version_id" in self.kwargs else None
        return selectors.find_model(model_id=model_id, scope=self.scope, user_id=self.account.pk, number=number)

    def get_version(self, *, lock: bool = False) -> Version:
        """Return the version that the URL names; `lock` locks its model. Raises `VersionNotFoundError`."""
        model = self.get_model(lock=lock)
        version = model.named_version
        if version is None:
            named = self.kwargs["version_id"][:40]
            raise VersionNotFoundError(f"{model.pk} has no version {named}. Its versions are listed.")
        version.model = model
        return version

    @property
    def version_number(self) -> int:
        """The number of the version that the URL names; 0, which no version has, if there can be no such version."""
        version_id = self.kwargs["version_id"]
        return ids.version_number(version_id) if ids.is_version_id(version_id) else 0


class ModelRecordViewSet(ListModelMixin, CreateModelMixin, RetrieveModelMixin, DestroyModelMixin, RegistryViewSet):
    """Records of a model that the admins of its organization create and revoke.

    A subclass names its records in `record_name`, and the argument of the URL with their id in `lookup_url_kwarg`.
    """

    record_name: str
    lookup_url_kwarg: str
    scopes = dict.fromkeys(("list", "create", "retrieve", "destroy"), Scope.ORGANIZATION_ADMIN)
    errors = {
        "list": (ModelNotFoundError,),
        "create": (ModelNotFoundError,),
        "retrieve": (ModelNotFoundError, NotFoundError),
        "destroy": (ModelNotFoundError, NotFoundError),
    }

    def get_queryset(self) -> QuerySet[Model]:
        """Return the records of the model that the URL names."""
        return super().get_queryset().filter(model=self.get_model())

    def get_object(self, *, lock: bool = False) -> Model:
        """Return the record that the URL names; `lock` locks the model. Raises `NotFoundError`."""
        model = self.get_model(lock=lock)
        missing = NotFoundError(f"{model.pk} has no such {self.record_name}. Its {self.record_name}s are listed.")
        records = super().get_queryset().filter(model=model)
        record: Model = get_or_404(records, missing, pk=parse_row_id(self.kwargs[self.lookup_url_kwarg]))
        return record


class PromotingViewSet(RegistryViewSet):
    """Promotes versions. A gate may refuse a promotion, and an admin may override it."""

    overrides_gate = False  # as the body of the request asks for

    @property
    def scope(self) -> Scope:
        """The scope that the action needs: only an admin overrides a gate."""
        return Scope.ORGANIZATION_ADMIN if self.overrides_gate else super().scope

    def set_override(self, overrides_gate: bool) -> None:
        """Check that the caller may override the gate, if that is asked for. Raises `PermissionDenied`."""
        if overrides_gate:
            self.overrides_gate = True
            self.named_model = self.find_model(self.kwargs["model_id"])  # with the right that this needs

    def promotion_response(self, outcome: Promotion | CheckResult) -> HttpResponse:
        """Return the response to a promotion or a refusal, whose verdict is stored with this transaction."""
        if isinstance(outcome, CheckResult):
            return self.handle_exception(GateFailedError(outcome.detail, outcome.verdict))
        return json_response(PromotionSerializer(outcome).data)
