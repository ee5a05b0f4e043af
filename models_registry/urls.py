"""The registry's routes, below `/api/v1`."""

from django.urls import URLPattern, path

from models_registry.accounts.views import MemberViewSet, OrganizationViewSet
from models_registry.api.viewsets import APIViewSet
from models_registry.registry.version_views import VersionViewSet
from models_registry.registry.views import (
    GrantViewSet,
    ModelViewSet,
    NamedModelViewSet,
    PromotionViewSet,
)
from models_registry.tokens.account_views import ServiceAccountTokenViewSet, ServiceAccountViewSet
from models_registry.tokens.personal_views import PersonalTokenViewSet
from models_registry.tokens.views import TokenExchangeView, TokenRefreshView, TokenRevokeView, TokenView

ROWS = {"get": "list", "post": "create"}
SHOWN_OR_REVOKED = {"get": "retrieve", "delete": "destroy"}


def route(url: str, viewset: type[APIViewSet], actions: dict[str, str], name: str) -> URLPattern:
    """Return the route of a viewset's actions, by method."""
    view = viewset.as_view({**actions})
    route: URLPattern = path(url, view, name=name)
    return route


ORGANIZATION = "organizations/<str:slug>"
ACCOUNT = f"{ORGANIZATION}/service-accounts/<str:account>"
MODEL = "models/<str:model_id>"
VERSION = f"{MODEL}/versions/<str:version_id>"

urlpatterns = [
    path("auth/token", TokenView.as_view(), name="token"),
    path("auth/token/exchange", TokenExchangeView.as_view(), name="token-exchange"),
    path("auth/token/refresh", TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/revoke", TokenRevokeView.as_view(), name="token-revoke"),
    route("auth/personal-tokens", PersonalTokenViewSet, ROWS, "personal-tokens"),
    route("auth/personal-tokens/<str:token_id>", PersonalTokenViewSet, SHOWN_OR_REVOKED, "personal-token"),
    route("organizations", OrganizationViewSet, ROWS, "organizations"),
    route(ORGANIZATION, OrganizationViewSet, {"get": "retrieve", "patch": "partial_update"}, "organization"),
    route(f"{ORGANIZATION}/members", MemberViewSet, ROWS, "members"),
    route(
        f"{ORGANIZATION}/members/<str:username>",
        MemberViewSet,
        {"get": "retrieve", "patch": "partial_update", "delete": "destroy"},
        "member",
    ),
    route(f"{ORGANIZATION}/models/<path:name>", NamedModelViewSet, {"put": "update"}, "named-model"),
    route(f"{ORGANIZATION}/service-accounts", ServiceAccountViewSet, ROWS, "service-accounts"),
    route(ACCOUNT, ServiceAccountViewSet, {"get": "retrieve", "patch": "partial_update"}, "service-account"),
    route(f"{ACCOUNT}/tokens", ServiceAccountTokenViewSet, ROWS, "service-account-tokens"),
    route(f"{ACCOUNT}/tokens/<str:token_id>", ServiceAccountTokenViewSet, SHOWN_OR_REVOKED, "service-account-token"),
    route("models", ModelViewSet, ROWS, "models"),
    route(MODEL, ModelViewSet, {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}, "model"),
    route(f"{MODEL}/grants", GrantViewSet, ROWS, "grants"),
    route(f"{MODEL}/grants/<str:grant_id>", GrantViewSet, SHOWN_OR_REVOKED, "grant"),
    route(f"{MODEL}/promotions", PromotionViewSet, {"get": "list"}, "promotions"),
    route(f"{MODEL}/rollback", ModelViewSet, {"post": "roll_back"}, "rollback"),
    route(f"{MODEL}/versions", VersionViewSet, ROWS, "versions"),
    route(VERSION, VersionViewSet, {"get": "retrieve", "patch": "partial_update"}, "version"),
    route(f"{VERSION}/promote", VersionViewSet, {"post": "promote"}, "promote"),
]
