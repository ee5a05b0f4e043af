"""The policies of gates over HTTP."""

from typing import Any, ClassVar, TypeAlias

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request

from models_registry.accounts.models import Organization
from models_registry.accounts.scopes import Scope
from models_registry.api.errors import (
    NotFoundError,
    PreconditionFailedError,
)
from models_registry.api.etags import json_response
from models_registry.api.viewsets import DestroyModelMixin, Errors, RetrieveModelMixin
from models_registry.registry.errors import ModelNotFoundError
from models_registry.registry.models import RegisteredModel
from models_registry.registry.viewsets import RegistryViewSet
from performance.gates.models import GatePolicy
from performance.gates.policy import Policy
from performance.gates.serializers import (
    PolicyInput,
    PolicySerializer,
)
from performance.gates.services import (
    set_model_policy,
    set_organization_policy,
)

Owner: TypeAlias = RegisteredModel | Organization  # of a policy


class PolicyViewSet(RetrieveModelMixin, DestroyModelMixin, RegistryViewSet):
    """The policy of a gate. Each edit is stored as a version of its own."""

    queryset = GatePolicy.objects.all()
    serializer_class = PolicySerializer
    errors: ClassVar[Errors | dict[str, Errors]] = {"retrieve": (NotFoundError,), "destroy": (NotFoundError,)}
    input_serializers = {"update": PolicyInput}
    owner_field: str  # of a policy

    def get_owner(self, *, lock: bool = False) -> Owner:
        """Return the model or organization that the URL names, locked until the transaction ends if `lock` is true."""
        raise NotImplementedError

    def find_policy(self, owner: Owner) -> GatePolicy | None:
        """Return the current policy of an owner."""
        return GatePolicy.objects.filter(**{self.owner_field: owner}).current()

    def store_policy(self, owner: Any, policy: Policy | None) -> GatePolicy:
        """Store the policy of an owner, or with `None` that there is none any more."""
        raise NotImplementedError

    def get_object(self, *, lock: bool = False) -> GatePolicy:
        """Return the current policy of the owner that the URL names. Raises `NotFoundError`."""
        self.owner = self.get_owner(lock=lock)
        policy = self.find_policy(self.owner)
        if policy is None:
            raise NotFoundError(f"{self.owner_id} has no gate policy of its own. Set one with PUT.")
        return policy

    def update(self, request: Request, **kwargs: str) -> HttpResponse:
        """Store the policy in the body as the current one."""
        policy = self.get_valid_serializer().validated_data["policy"]
        with self.audited_transaction():
            owner = self.get_owner(lock=True)
            present = self.find_policy(owner)
            self.check_if_match(present)
            stored = self.store_policy(owner, policy)
            return json_response(self.get_response_serializer(stored).data, status=200 if present else 201)

    def perform_destroy(self, instance: GatePolicy) -> None:
        self.store_policy(self.owner, None)

    def check_if_match(self, record: GatePolicy | None) -> None:
        """Refuse to replace a policy if `If-Match` names another. Raises `PreconditionFailedError`."""
        if record is not None:
            super().check_if_match(record)
        elif "If-Match" in self.request.headers:
            raise PreconditionFailedError(f"{self.owner_id} has no gate policy of its own that If-Match could name.")

    @property
    def owner_id(self) -> str:
        """The id of the owner in the URL."""
        [owner_id] = self.kwargs.values()
        return str(owner_id)


@extend_schema_view(
    retrieve=extend_schema(
        operation_id="get_model_gate_policy",
        tags=["gates"],
        summary="Get a model's gate policy",
        description="Return the model's own policy. Without one, the policy of its organization applies.",
    ),
    update=extend_schema(
        operation_id="set_model_gate_policy",
        tags=["gates"],
        summary="Set a model's gate policy",
        description="Set the policy that versions of the model are judged by from now on.",
        responses={200: PolicySerializer, 201: PolicySerializer},
    ),
    destroy=extend_schema(
        operation_id="withdraw_model_gate_policy",
        tags=["gates"],
        summary="Withdraw a model's gate policy",
        description="Withdraw the model's own policy. The policy of its organization applies again, if there is one.",
    ),
)
class ModelPolicyViewSet(PolicyViewSet):
    """A model's own policy."""

    scopes = {
        "retrieve": Scope.MODEL_READ,
        "update": Scope.ORGANIZATION_ADMIN,
        "destroy": Scope.ORGANIZATION_ADMIN,
    }
    errors = (ModelNotFoundError,)
    owner_field = "model"

    def get_owner(self, *, lock: bool = False) -> RegisteredModel:
        """Return the model that the URL names."""
        return self.get_model(lock=lock)

    def store_policy(self, owner: RegisteredModel, policy: Policy | None) -> GatePolicy:
        """Store the policy of a model."""
        return set_model_policy(model=owner, policy=policy, created_by=self.account.username)


@extend_schema_view(
    retrieve=extend_schema(
        operation_id="get_organization_gate_policy",
        tags=["gates"],
        summary="Get an organization's gate policy",
        description="Return the policy for the organization's models that have no policy of their own.",
    ),
    update=extend_schema(
        operation_id="set_organization_gate_policy",
        tags=["gates"],
        summary="Set an organization's gate policy",
        description=(
            "Set the policy for the organization's models that have no policy of their own. A model without the metric "
            "of a rule fails that rule."
        ),
        responses={200: PolicySerializer, 201: PolicySerializer},
    ),
    destroy=extend_schema(
        operation_id="withdraw_organization_gate_policy",
        tags=["gates"],
        summary="Withdraw an organization's gate policy",
        description="Withdraw the policy. Models without a policy of their own then have none.",
    ),
)
class OrganizationPolicyViewSet(PolicyViewSet):
    """The policy of an organization's models that have none of their own."""

    scopes = {
        "retrieve": Scope.ORGANIZATION_VIEWER,
        "update": Scope.ORGANIZATION_ADMIN,
        "destroy": Scope.ORGANIZATION_ADMIN,
    }
    errors = (NotFoundError,)
    owner_field = "organization"

    def get_owner(self, *, lock: bool = False) -> Organization:
        """Return the organization that the URL names."""
        return self.get_organization(lock=lock)

    def store_policy(self, owner: Organization, policy: Policy | None) -> GatePolicy:
        """Store the policy of an organization."""
        return set_organization_policy(organization=owner, policy=policy, created_by=self.account.username)
