"""The least that Django takes to answer: a constant, and one row by its primary key."""

import os
import threading
from typing import Any

import psycopg
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=[], ROOT_URLCONF=__name__)

ANSWER = {
    "model_id": "mdl-7f3a19bc92",
    "version_id": "ver-001a1",
    "task_type": "classification",
    "dataset_split": "test",
    "metrics": {
        "accuracy": 0.9341,
        "precision": 0.9185,
        "recall": 0.9240,
        "f1_score": 0.9212,
        "roc_auc": 0.9678,
        "log_loss": 0.1425,
    },
    "evaluated_at": "2026-03-13T14:22:10Z",
}


_kept = threading.local()


def connection() -> psycopg.Connection[Any]:
    """Return this thread's connection, which is kept as the service's are."""
    if not hasattr(_kept, "connection"):
        _kept.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
    kept: psycopg.Connection[Any] = _kept.connection
    return kept


def constant(request: HttpRequest, model_id: str) -> HttpResponse:
    """Answer the same to all."""
    return JsonResponse(ANSWER)


def selected(request: HttpRequest, model_id: str) -> HttpResponse:
    """Answer after one prepared select."""
    query = "SELECT organization_id, task_type FROM models_registry_registeredmodel WHERE model_id = %s"
    row = connection().execute(query, [model_id]).fetchone()
    return JsonResponse(ANSWER if row else {}, status=200 if row else 404)


urlpatterns = [path("constant/<str:model_id>", constant), path("selected/<str:model_id>", selected)]

application = get_wsgi_application()
