"""The least that Django takes to answer: a constant, and one row by its primary key."""

import os
from functools import cache

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from psycopg_pool import ConnectionPool

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


@cache
def pool() -> ConnectionPool:
    """Return this process's connections, as many as the service's."""
    kwargs = {"autocommit": True, "prepare_threshold": 0}
    return ConnectionPool(os.environ["DATABASE_URL"], kwargs=kwargs, min_size=2, max_size=16, open=True)


def constant(request: HttpRequest, model_id: str) -> HttpResponse:
    """Answer the same to all."""
    return JsonResponse(ANSWER)


def selected(request: HttpRequest, model_id: str) -> HttpResponse:
    """Answer after one prepared select."""
    with pool().connection() as connection:
        query = "SELECT organization_id, task_type FROM models_registry_registeredmodel WHERE model_id = %s"
        row = connection.execute(query, [model_id]).fetchone()
    return JsonResponse(ANSWER if row else {}, status=200 if row else 404)


urlpatterns = [path("constant/<str:model_id>", constant), path("selected/<str:model_id>", selected)]

application = get_wsgi_application()
