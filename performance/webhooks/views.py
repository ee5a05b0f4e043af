"""Webhooks: who is told what happens to an organization's models."""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from models_registry.accounts.models import Organization
from models_registry.accounts.scopes import Scope
from models_registry.accounts.views import no_such
from models_registry.api.errors import NotFoundError
from models_registry.api.etags import json_response
from models_registry.api.viewsets import CREATE_ERRORS
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel
from models_registry.registry.views import row_id
from models_registry.registry.viewsets import RegistryViewSet
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


class WebhookViewSet(RegistryViewSet):
    """URLs that are told what happens to an organization's models; for its admins."""

    queryset = Webhook.objects.select_related("organization", "created_by")
    serializer_class = WebhookSerializer
    ordering = ("pk",)
    scopes = dict.fromkeys(
        ("list", "create", "retrieve", "partial_update", "destroy", "send_test"), Scope.ORGANIZATION_ADMIN
    )
    errors = {**dict.fromkeys(scopes, (NotFoundError,)), "send_test": (*CREATE_ERRORS, NotFoundError)}
    inputs = {"create": WebhookInput, "partial_update": WebhookChanges, "send_test": WebhookTest}

    @extend_schema(operation_id="list_webhooks", tags=["webhooks"], summary="List webhooks")
    def list(self, request: Request, slug: str) -> HttpResponse:
        """Return the webhooks of an organization, oldest first, without their secrets."""
        return self.page(lambda: self.get_queryset().filter(organization=self.get_organization()))

    @extend_schema(
        operation_id="create_webhook",
        tags=["webhooks"],
        summary="Create a webhook",
        responses={201: NewWebhookSerializer},
    )
    def create(self, request: Request, slug: str) -> HttpResponse:
        """Have a URL told of events. The answer alone has the secret with which messages to it are signed.

        Repeated under its `Idempotency-Key`, it has null instead: if it was lost, delete the webhook and make another.
        """
        return self.once(self._create, shown_once=("secret",))

    @extend_schema(operation_id="get_webhook", tags=["webhooks"], summary="Get a webhook")
    def retrieve(self, request: Request, slug: str, webhook_id: str) -> HttpResponse:
        """Return one webhook, without its secret."""
        return self.show(self.get_webhook())

    @extend_schema(operation_id="update_webhook", tags=["webhooks"], summary="Change a webhook")
    def partial_update(self, request: Request, slug: str, webhook_id: str) -> HttpResponse:
        """Change what a webhook is told, and where, or whether it is."""
        with self.writing():
            webhook = self.get_webhook(lock=True)
            return self.changed(webhook, lambda: update_webhook(webhook=webhook, **self.body))

    @extend_schema(operation_id="delete_webhook", tags=["webhooks"], summary="Delete a webhook")
    def destroy(self, request: Request, slug: str, webhook_id: str) -> HttpResponse:
        """Tell a URL nothing more, not even what is queued for it."""
        with self.writing():
            webhook = self.get_webhook(lock=True)
            return self.removed(webhook, lambda: delete_webhook(webhook=webhook))

    @extend_schema(
        operation_id="test_webhook",
        tags=["webhooks"],
        summary="Test a webhook",
        responses={202: WebhookDeliverySerializer},
    )
    def send_test(self, request: Request, slug: str, webhook_id: str) -> HttpResponse:
        """Queue a message of the type `webhook.test`. The webhook's deliveries tell what becomes of it."""
        return self.once(self._test)

    def find_target(self) -> Any:
        """Return the webhook that the URL names, or the organization of a new one."""
        return self.get_webhook() if "webhook_id" in self.kwargs else self.get_organization()

    def get_webhook(self, *, lock: bool = False) -> Webhook:
        """Return the webhook that the URL names. Raises `NotFoundError` or `PermissionDenied`."""
        return webhook_of(self.get_organization(lock=lock), self.kwargs["webhook_id"])

    def created(self, webhook: Webhook) -> HttpResponse:
        """Answer with a new webhook and its secret, and with the ETag that it has from now on."""
        location = reverse("webhook", args=[webhook.organization.slug, webhook.pk])
        headers = {"Location": location, "ETag": json_response(self.represent(webhook))["ETag"]}
        return json_response(NewWebhookSerializer(webhook).data, status=201, headers=headers)

    def _create(self) -> HttpResponse:
        organization = self.get_organization(lock=True)
        model_id = self.body.pop("model_id", None)
        model = None if model_id is None else _model(organization, model_id)
        return self.created(
            create_webhook(organization=organization, model=model, created_by=self.account, **self.body)
        )

    def _test(self) -> HttpResponse:
        delivery = send_test_message(webhook=self.get_webhook(lock=True))
        return json_response(WebhookDeliverySerializer(delivery).data, status=202)


class WebhookDeliveryViewSet(RegistryViewSet):
    """The messages to a webhook of the last 30 days, and what became of them."""

    queryset = WebhookDelivery.objects.defer("payload")
    serializer_class = WebhookDeliverySerializer
    ordering = ("-created_at", "-pk")
    scopes = {"list": Scope.ORGANIZATION_ADMIN}
    errors = (NotFoundError,)

    @extend_schema(operation_id="list_deliveries", tags=["webhooks"], summary="List deliveries")
    def list(self, request: Request, slug: str, webhook_id: str) -> HttpResponse:
        """Return the messages to a webhook, newest first. Those that ended more than 30 days ago are forgotten."""
        return self.page(self._deliveries)

    def _deliveries(self) -> Any:
        return self.get_queryset().filter(webhook=webhook_of(self.get_organization(), self.kwargs["webhook_id"]))


def webhook_of(organization: Organization, webhook_id: str) -> Webhook:
    """Return an organization's webhook. Raises `NotFoundError`."""
    webhook: Webhook | None = WebhookViewSet.queryset.filter(organization=organization, pk=row_id(webhook_id)).first()
    if webhook is None:
        raise NotFoundError(f"{organization.slug} has no such webhook. Its webhooks are listed.")
    return webhook


def _model(organization: Organization, model_id: str) -> RegisteredModel:
    """Return a model of an organization. Raises `InvalidBodyError`."""
    known = ids.is_model_id(model_id)
    model: RegisteredModel | None = organization.models.filter(pk=model_id).first() if known else None
    if model is None:
        raise no_such("model_id", f"{organization.slug} has no model {model_id!r}.")
    return model
