"""Gates over HTTP: their policies."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.api.base import RegistryViewSet
from models_registry.api.conditional import refuse_lost_update, represent
from models_registry.exceptions import NotFoundError, PreconditionFailedError
from models_registry.scopes import Scope
from performance.api.gate_serializers import PolicyInput, PolicySerializer
from performance.gate_services import set_model_policy, set_organization_policy
from performance.models import GatePolicy


class PolicyViewSet(RegistryViewSet):
    """The policy of a gate. Each edit is kept as a version of its own."""

    queryset = GatePolicy.objects.all()
    serializer_class = PolicySerializer
    inputs = {"set_policy": PolicyInput}

    def find(self, *, lock: bool = False) -> tuple[Any, GatePolicy | None]:
        """Return whose policy the URL names, and the policy that counts."""
        raise NotImplementedError

    def store(self, owner: Any, **content: Any) -> GatePolicy:
        """Store what the policy of an owner is from now on."""
        raise NotImplementedError

    def show_policy(self) -> HttpResponse:
        """Answer with the policy. Raises `NotFoundError`."""
        return self.show(_there(*self.find()))

    def replace(self) -> HttpResponse:
        """Store the policy that was sent, unless the caller knows another state than the present one."""
        with self.writing():
            owner, present = self.find(lock=True)
            self.refuse_lost_update(owner, present)
            stored = self.store(owner, policy=self.body["policy"], created_by=self.account.username)
            return represent(self.represent(stored), status=200 if present else 201)

    def withdraw(self) -> HttpResponse:
        """Store that there is no policy any more. Raises `NotFoundError`."""
        with self.writing():
            owner, present = self.find(lock=True)
            withdrawal: dict[str, Any] = {"policy": None, "created_by": self.account.username}
            return self.removed(_there(owner, present), lambda: self.store(owner, **withdrawal))

    def refuse_lost_update(self, owner: Any, present: GatePolicy | None) -> None:
        """Refuse to change a policy of which the caller knows another state. Raises `PreconditionFailedError`."""
        if present is not None:
            refuse_lost_update(self.request, self.represent(present))
        elif "If-Match" in self.request.headers:
            raise PreconditionFailedError(f"{owner} has no gate policy of its own that If-Match could name.")


class ModelPolicyViewSet(PolicyViewSet):
    """A model's own policy."""

    scopes = {
        "get_policy": Scope.MODEL_READ,
        "set_policy": Scope.ORGANIZATION_ADMIN,
        "withdraw_policy": Scope.ORGANIZATION_ADMIN,
    }

    @extend_schema(operation_id="get_model_gate_policy", tags=["gates"], summary="Get a model's gate policy")
    def get_policy(self, request: Request, model_id: str) -> HttpResponse:
        """Return the model's own policy. Without one it is judged by its organization's."""
        return self.show_policy()

    @extend_schema(
        operation_id="set_model_gate_policy",
        tags=["gates"],
        summary="Set a model's gate policy",
        responses={200: PolicySerializer, 201: PolicySerializer},
    )
    def set_policy(self, request: Request, model_id: str) -> HttpResponse:
        """Set the policy that versions of the model are judged by from now on."""
        return self.replace()

    @extend_schema(operation_id="withdraw_model_gate_policy", tags=["gates"], summary="Withdraw a model's gate policy")
    def withdraw_policy(self, request: Request, model_id: str) -> HttpResponse:
        """Have the model judged by its organization's policy again, if there is one."""
        return self.withdraw()

    def find(self, *, lock: bool = False) -> tuple[Any, GatePolicy | None]:
        """Return the model, and its policy."""
        model = self.get_model(lock=lock)
        return model, GatePolicy.objects.filter(model=model).in_force()

    def store(self, owner: Any, **content: Any) -> GatePolicy:
        """Store a model's policy."""
        return set_model_policy(model=owner, **content)


class OrganizationPolicyViewSet(PolicyViewSet):
    """The policy of an organization's models that have none of their own."""

    scopes = {
        "get_policy": Scope.ORGANIZATION_VIEWER,
        "set_policy": Scope.ORGANIZATION_ADMIN,
        "withdraw_policy": Scope.ORGANIZATION_ADMIN,
    }

    @extend_schema(
        operation_id="get_organization_gate_policy", tags=["gates"], summary="Get an organization's gate policy"
    )
    def get_policy(self, request: Request, slug: str) -> HttpResponse:
        """Return the policy by which the organization's models are judged that have none of their own."""
        return self.show_policy()

    @extend_schema(
        operation_id="set_organization_gate_policy",
        tags=["gates"],
        summary="Set an organization's gate policy",
        responses={200: PolicySerializer, 201: PolicySerializer},
    )
    def set_policy(self, request: Request, slug: str) -> HttpResponse:
        """Set the policy of models that have none of their own. A model that lacks what a rule looks at fails it."""
        return self.replace()

    @extend_schema(
        operation_id="withdraw_organization_gate_policy",
        tags=["gates"],
        summary="Withdraw an organization's gate policy",
    )
    def withdraw_policy(self, request: Request, slug: str) -> HttpResponse:
        """Have the models without a policy of their own judged by none."""
        return self.withdraw()

    def find(self, *, lock: bool = False) -> tuple[Any, GatePolicy | None]:
        """Return the organization, and its policy."""
        organization = self.get_organization(lock=lock)
        return organization, GatePolicy.objects.filter(organization=organization).in_force()

    def store(self, owner: Any, **content: Any) -> GatePolicy:
        """Store an organization's policy."""
        return set_organization_policy(organization=owner, **content)


def _there(owner: Any, policy: GatePolicy | None) -> GatePolicy:
    if policy is None:
        raise NotFoundError(f"{owner} has no gate policy of its own. Set one with PUT.")
    return policy
