"""Logging in: tokens for a user name and password, or for another issuer's token; rotated and revoked."""

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES, Scope
from models_registry.accounts.two_factor import needs_more_than_password
from models_registry.api.client_address import client_network
from models_registry.api.errors import (
    APIError,
    InvalidBodyError,
    NotAuthenticatedError,
    PermissionDeniedError,
    UnknownParameterError,
)
from models_registry.api.parsers import StrictFormParser
from models_registry.api.throttling import LoginThrottle
from models_registry.tokens import services
from models_registry.tokens.errors import (
    InvalidTokenError,
    TokenExpiredError,
    TooManyFailedLoginsError,
    TwoFactorRequiredError,
)
from models_registry.tokens.lockout import delete_failures, login_capacity, login_wait
from models_registry.tokens.serializers import (
    ACCESS_TOKEN_TYPE,
    CredentialsSerializer,
    ExchangedTokenSerializer,
    RefreshTokenSerializer,
    TokenExchangeSerializer,
    TokenPairSerializer,
)


class TokenRouteView(APIView):
    """What the token routes have in common: whoever calls is not known yet, and may not call often."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (LoginThrottle,)
    http_method_names = ["post"]
    errors: tuple[type[APIError], ...] = (UnknownParameterError, InvalidBodyError)

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Refuse query parameters, as these routes have none. Raises `UnknownParameterError`."""
        super().initial(request, *args, **kwargs)
        if request.query_params:
            unknown = [(name, "unknown", "Unknown parameter; send a body.") for name in request.query_params]
            raise UnknownParameterError("This route has no query parameters; `errors` names those sent.", unknown)


class TokenView(TokenRouteView):
    """Tokens for a user name and password."""

    errors = (NotAuthenticatedError, TwoFactorRequiredError)

    @extend_schema(
        operation_id="create_token",
        tags=["authentication"],
        summary="Log in",
        description=(
            "Tokens for a user name and password. With `scope`, they never do more than those scopes. "
            "Ten failed logins of one user from one address lock that user out from there for fifteen minutes. After "
            "thirty failed logins of one user from anywhere, the service takes one attempt on that user in ten "
            "seconds. Who has a second factor makes a personal token instead."
        ),
        request=CredentialsSerializer,
        responses=TokenPairSerializer,
        examples=[
            OpenApiExample(
                "A narrowed token",
                value={"username": "vera", "password": "correct horse battery staple", "scope": "model:read"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Return a pair of tokens."""
        credentials = CredentialsSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        scope = credentials.validated_data.pop("scope", ALL_SCOPES)
        with login_capacity():
            user = log_in(request, **credentials.validated_data)
            return token_pair_response(services.open_token_family(user=user, scope=scope))


class TokenRefreshView(TokenRouteView):
    """The next pair of tokens."""

    errors = (InvalidTokenError, TokenExpiredError, TwoFactorRequiredError)

    @extend_schema(
        operation_id="refresh_token",
        tags=["authentication"],
        summary="Rotate a refresh token",
        description=(
            "The next pair of tokens. A refresh token may be used once: using it again revokes its login. Who has a "
            "second factor makes a personal token instead."
        ),
        request=RefreshTokenSerializer,
        responses=TokenPairSerializer,
    )
    def post(self, request: Request) -> Response:
        """Return the next pair of tokens."""
        return token_pair_response(services.rotate_refresh_token(encoded=validated_refresh_token(request)))


class TokenRevokeView(TokenRouteView):
    """The end of a login."""

    errors = (InvalidTokenError, TokenExpiredError)

    @extend_schema(
        operation_id="revoke_token",
        tags=["authentication"],
        summary="Log out",
        description="Ends the login that a refresh token descends from; its access tokens are refused at once.",
        request=RefreshTokenSerializer,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """Revoke the login."""
        services.revoke_refresh_token(encoded=validated_refresh_token(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenExchangeView(TokenRouteView):
    """An access token for an identity token of a trusted issuer."""

    parser_classes = (StrictFormParser,)
    errors = (InvalidTokenError, TokenExpiredError, PermissionDeniedError)

    @extend_schema(
        operation_id="exchange_token",
        tags=["authentication"],
        summary="Exchange a pipeline's identity token",
        description=(
            "An access token for the identity token (OpenID Connect) that a CI system makes for a job, in the form of "
            "RFC 8693: the pipeline keeps no secret. The first active rule of the token's issuer whose claims all "
            "match says which service account it stands for, and the most that it may do."
        ),
        request=TokenExchangeSerializer,
        responses=ExchangedTokenSerializer,
    )
    def post(self, request: Request) -> Response:
        """Return an access token."""
        form = TokenExchangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        access, scope = services.exchange_identity_token(
            encoded=form.validated_data["subject_token"], scope=form.validated_data.get("scope")
        )
        return exchanged_token_response(access, scope)


def log_in(request: Request, *, username: str, password: str) -> User:
    """Return the active user of these credentials.

    Raises `NotAuthenticatedError`, `TwoFactorRequiredError`, or `TooManyFailedLoginsError` after ten failures of this
    user from this network, or many from anywhere.
    """
    http_request = request._request
    user = authenticate(http_request, username=username, password=password)
    refused = getattr(http_request, "axes_locked_out", False)
    if refused or AxesProxyHandler.is_locked(http_request, {"username": username}):  # by guesses at the same time
        raise TooManyFailedLoginsError(
            "Too many failed logins. Wait for the seconds that Retry-After gives, then try again.",
            wait=login_wait(http_request),
        )
    if not isinstance(user, User):
        raise NotAuthenticatedError("No active user has this name and password. Check both.")
    if needs_more_than_password(user):
        raise TwoFactorRequiredError
    delete_failures(username=username, network=client_network(request))
    return user


def validated_refresh_token(request: Request) -> str:
    """Return the refresh token in the body. Raises `ValidationError`."""
    body = RefreshTokenSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    return str(body.validated_data["refresh"])


def token_pair_response(refresh: RefreshToken) -> Response:
    """Return a refresh token with an access token of the same login; nobody may keep a copy."""
    pair = {"access": str(refresh.access_token), "refresh": str(refresh)}
    return Response(pair, headers={"Cache-Control": "no-store"})


def exchanged_token_response(access: AccessToken, scope: frozenset[Scope]) -> Response:
    """Return an access token in the form of RFC 8693; nobody may keep a copy."""
    given = {
        "access_token": str(access),
        "issued_token_type": ACCESS_TOKEN_TYPE,
        "token_type": "Bearer",
        "expires_in": access["exp"] - access["iat"],
        "scope": " ".join(sorted(scope)),
    }
    return Response(given, headers={"Cache-Control": "no-store"})
