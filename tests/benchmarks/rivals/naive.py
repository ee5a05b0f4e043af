"""The summary as a first version in DRF: stock authentication, plain serializers, the ORM, a query for each step.

With MIDDLEWARE=default in the environment it runs behind the middleware of a new Django project, else behind none.
Connections are kept, which is the fastest that stock Django does.
"""

import os
from datetime import timedelta
from typing import Any

import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application

DEFAULT_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    AUTH_USER_MODEL="models_registry.User",
    DATABASES={"default": {**environ.Env.db_url_config(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": None}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "models_registry",
        "performance",
        "models_registry.logins.apps.AccountsConfig",
        "allauth.socialaccount",
        "allauth.mfa",
        "auditlog",
        "axes",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "rest_framework",
    ],
    MIDDLEWARE=DEFAULT_MIDDLEWARE if os.environ.get("MIDDLEWARE") == "default" else [],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]},
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["SECRET_KEY"],
    SIMPLE_JWT={
        "SIGNING_KEY": os.environ["JWT_SIGNING_KEY"],
        "ISSUER": "model-performance-registry",
        "AUDIENCE": "model-performance-registry",
        "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
        "CHECK_REVOKE_TOKEN": True,
    },
    TIME_ZONE="UTC",
    USE_TZ=True,
)
application = get_wsgi_application()

from django.shortcuts import get_object_or_404  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from models_registry.accounts.models import Membership, ModelGrant  # noqa: E402
from models_registry.registry import ids  # noqa: E402
from models_registry.registry.models import RegisteredModel, Version  # noqa: E402
from performance.snapshots.models import DatasetSplit, MetricSnapshot  # noqa: E402


class QuerySerializer(serializers.Serializer[Any]):
    """The query parameters."""

    version_id = serializers.RegexField(r"^ver-[0-9a-f]{5,}$", required=False)
    dataset_split = serializers.ChoiceField(DatasetSplit.values, default="test")


class MetricsSerializer(serializers.Serializer[Any]):
    """The metrics of a classifier."""

    accuracy = serializers.FloatField(default=None)
    precision = serializers.FloatField(default=None)
    recall = serializers.FloatField(default=None)
    f1_score = serializers.FloatField(default=None)
    roc_auc = serializers.FloatField(default=None)
    log_loss = serializers.FloatField(default=None)


class SummarySerializer(serializers.Serializer[Any]):
    """The answer."""

    model_id = serializers.CharField(source="version.model.pk")
    version_id = serializers.CharField(source="version.version_id")
    task_type = serializers.CharField(source="version.model.task_type")
    dataset_split = serializers.CharField()
    metrics = MetricsSerializer()
    evaluated_at = serializers.DateTimeField(format="%Y-%m-%dT%H:%M:%SZ")


class SummaryView(APIView):
    """Answers with the newest snapshot."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request, model_id: str) -> Response:
        """Look up one thing after another."""
        query = QuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        model = get_object_or_404(RegisteredModel, pk=model_id)
        if not may_read(request.user, model):
            raise PermissionDenied
        if not Version.objects.filter(model=model, state="completed").exists():
            raise ValidationError("The model has no completed version.")
        version = find_version(model, query.validated_data.get("version_id"))
        snapshots = MetricSnapshot.objects.filter(version=version, dataset_split=query.validated_data["dataset_split"])
        snapshot = snapshots.select_related("version__model").order_by("-evaluated_at", "-id").first()
        if snapshot is None:
            raise NotFound
        return Response(SummarySerializer(snapshot).data)


def may_read(user: Any, model: RegisteredModel) -> bool:
    """Look for the user's role, then for a grant."""
    if user.is_superuser or Membership.objects.filter(organization=model.organization_id, user=user).exists():
        return True
    return ModelGrant.objects.filter(model=model, user=user, scope="model:read").exists()


def find_version(model: RegisteredModel, version_id: str | None) -> Version:
    """Return the version asked for, or the promoted one."""
    if version_id is not None:
        return get_object_or_404(Version, model=model, number=ids.version_number(version_id))
    if model.promoted_version is None:
        raise NotFound
    return model.promoted_version


urlpatterns = [path("api/v1/models/<str:model_id>/performance/summary", SummaryView.as_view())]
