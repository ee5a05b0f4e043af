"""The registry's routes, below `/api/v1`."""

from django.urls import path

from models_registry.api.views import TokenExchangeView, TokenRefreshView, TokenRevokeView, TokenView

urlpatterns = [
    path("auth/token", TokenView.as_view(), name="token"),
    path("auth/token/exchange", TokenExchangeView.as_view(), name="token-exchange"),
    path("auth/token/refresh", TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/revoke", TokenRevokeView.as_view(), name="token-revoke"),
]
