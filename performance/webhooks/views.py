"""Webhooks and their deliveries over HTTP."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from models_registry.accounts.models import Organization
from models_registry.accounts.scopes import Scope
from models_registry.accounts.viewsets import OrganizationScopedViewSet
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response
from models_registry.api.lookups import get_or_404, missing_reference, parse_row_id
from models_registry.api.viewsets import (
    CREATE_ERRORS,
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel
from performance.webhooks.models import Webhook, WebhookDelivery
from performance.webhooks.serializers import (
    NewWebhookSerializer,
    WebhookChanges,
    WebhookDeliverySerializer,
    WebhookInput,
    WebhookSerializer,
    WebhookTest,
)
from performance.webhooks.services import create_webhook, delete_webhook, send_test_message, update_webhook


class WebhookScopedViewSet(OrganizationScopedViewSet):
    """Records of an organization's webhook."""

    def get_webhook(self, *, lock: bool = False) -> Webhook:
        """Return the webhook that the URL names; `lock` locks its organization. Raises `NotFoundError`."""
        organization = self.get_organization(lock=lock)
        webhooks = Webhook.objects.select_related("organization", "created_by").filter(organization=organization)
        missing = NotFoundError(f"{organization.slug} has no such webhook. Its webhooks are listed.")
        webhook: Webhook = get_or_404(webhooks, missing, pk=parse_row_id(self.kwargs["webhook_id"]))
        return webhook


@extend_schema_view(
    list=extend_schema(
        operation_id="list_webhooks",
        tags=["webhooks"],
        summary="List webhooks",
        description="Return the webhooks of an organization, oldest first, without their secrets.",
    ),
    create=extend_schema(
        operation_id="create_webhook",
        tags=["webhooks"],
        summary="Create a webhook",
        description=(
            "Send messages about events to a URL. Only this response has the secret that signs the messages.\n\n"
            "If the request is repeated with its `Idempotency-Key`, the secret is null. If you lose the secret, delete "
            "the webhook and create another."
        ),
        responses={201: NewWebhookSerializer},
    ),
    retrieve=extend_schema(
        operation_id="get_webhook",
        tags=["webhooks"],
        summary="Get a webhook",
        description="Return one webhook, without its secret.",
    ),
    partial_update=extend_schema(
        operation_id="update_webhook",
        tags=["webhooks"],
        summary="Change a webhook",
        description="Change the URL or the events of a webhook, or switch it on or off.",
    ),
    destroy=extend_schema(
        operation_id="delete_webhook",
        tags=["webhooks"],
        summary="Delete a webhook",
        description="Delete a webhook. Messages that are queued for it are not sent.",
    ),
)
class WebhookViewSet(
    ListModelMixin, CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, DestroyModelMixin, WebhookScopedViewSet
):
    """URLs that receive messages about an organization's models, for its admins."""

    queryset = Webhook.objects.select_related("organization", "created_by")
    serializer_class = WebhookSerializer
    ordering = ("pk",)
    scopes = dict.fromkeys(
        ("list", "create", "retrieve", "partial_update", "destroy", "send_test"), Scope.ORGANIZATION_ADMIN
    )
    errors = {**dict.fromkeys(scopes, (NotFoundError,)), "send_test": (*CREATE_ERRORS, NotFoundError)}
    input_serializers = {"create": WebhookInput, "partial_update": WebhookChanges, "send_test": WebhookTest}
    shown_once = ("secret",)

    def check_target(self) -> None:
        """Check that the webhook, or the organization of a new one, is the caller's to change."""
        if "webhook_id" in self.kwargs:
            self.get_webhook()
        else:
            self.get_organization()

    def get_queryset(self) -> QuerySet[Webhook]:
        """Return the webhooks of the organization that the URL names."""
        return super().get_queryset().filter(organization=self.get_organization())

    def get_object(self, *, lock: bool = False) -> Webhook:
        """Return the webhook that the URL names."""
        return self.get_webhook(lock=lock)

    def get_response_serializer(self, record: Webhook) -> BaseSerializer[Webhook]:
        """Return the serializer of the response: only a new webhook is shown with its secret."""
        return NewWebhookSerializer(record) if self.action == "create" else super().get_response_serializer(record)

    def perform_create(self, serializer: BaseSerializer[Webhook]) -> None:
        content = dict(serializer.validated_data)
        organization = self.get_organization(lock=True)
        model_id = content.pop("model_id", None)
        model = None if model_id is None else _find_model(organization, model_id)
        serializer.instance = create_webhook(organization=organization, model=model, created_by=self.account, **content)

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = update_webhook(webhook=serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: Webhook) -> None:
        delete_webhook(webhook=instance)

    def get_success_headers(self, data: Mapping[str, object]) -> dict[str, str]:
        """Return the location of a new webhook, and its ETag, which is that of the webhook without its secret."""
        shown = {name: value for name, value in data.items() if name not in self.shown_once}
        location = reverse("webhook", args=[data["organization"], data["id"]])
        return {"Location": location, "ETag": json_response(shown)["ETag"]}

    @extend_schema(
        operation_id="test_webhook",
        tags=["webhooks"],
        summary="Test a webhook",
        responses={202: WebhookDeliverySerializer},
    )
    def send_test(self, request: Request, slug: str, webhook_id: str) -> HttpResponse:
        """Queue a message of the type `webhook.test`. The webhook's deliveries tell what becomes of it."""
        self.get_valid_serializer()

        def send() -> HttpResponse:
            delivery = send_test_message(webhook=self.get_webhook(lock=True))
            return json_response(WebhookDeliverySerializer(delivery).data, status=202)

        return self.run_idempotent(send)


@extend_schema_view(
    list=extend_schema(
        operation_id="list_deliveries",
        tags=["webhooks"],
        summary="List deliveries",
        description="Return the messages to a webhook, newest first. `purge` deletes them 30 days after they ended.",
    )
)
class WebhookDeliveryViewSet(ListModelMixin, WebhookScopedViewSet):
    """The messages to a webhook of the last 30 days, and what became of them."""

    queryset = WebhookDelivery.objects.defer("payload")
    serializer_class = WebhookDeliverySerializer
    ordering = ("-created_at", "-pk")
    scopes = {"list": Scope.ORGANIZATION_ADMIN}
    errors = (NotFoundError,)

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        """Return the messages to the webhook that the URL names."""
        return super().get_queryset().filter(webhook=self.get_webhook())


def _find_model(organization: Organization, model_id: str) -> RegisteredModel:
    """Return a model of an organization. Raises `InvalidBodyError`."""
    known = ids.is_model_id(model_id)
    model: RegisteredModel | None = organization.models.filter(pk=model_id).first() if known else None
    if model is None:
        raise missing_reference("model_id", f"{organization.slug} has no model {model_id!r}.")
    return model
