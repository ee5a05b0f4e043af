"""A seed document, and what the tests of seeds ask of the database."""

import copy
from collections.abc import Callable
from typing import Any

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.registry.models import Promotion, RegisteredModel, Version
from performance.snapshots.models import MetricSnapshot

TABLES = [User, Organization, Membership, RegisteredModel, ModelGrant, Version, Promotion, MetricSnapshot]
MOMENT = "2026-03-13T14:22:10Z"

DOCUMENT: dict[str, Any] = {
    "users": [{"username": "vera", "password": "correct horse battery staple"}, {"username": "gil"}],
    "organizations": [{"slug": "acme", "name": "Acme", "members": {"vera": "viewer"}}],
    "models": [
        {
            "model_id": "mdl-7f3a19bc92",
            "organization": "acme",
            "name": "churn",
            "task_type": "classification",
            "grants": {"gil": ["model:read"]},
            "promoted": "ver-001a1",
            "versions": [
                {
                    "version_id": "ver-001a1",
                    "state": "completed",
                    "created_at": MOMENT,
                    "completed_at": MOMENT,
                    "snapshots": [
                        {
                            "dataset_split": "test",
                            "metrics": {"accuracy": 0.9341},
                            "sample_count": 5000,
                            "evaluated_at": MOMENT,
                        }
                    ],
                },
                {"version_id": "ver-001a2", "state": "training"},
            ],
        }
    ],
}

Seed = Callable[..., None]


def stored() -> dict[str, list[Any]]:
    return {table.__name__: list(table._base_manager.order_by("pk").values()) for table in TABLES}


def changed(path: str, value: Any) -> Any:
    """Return the document with one value put elsewhere."""
    document = copy.deepcopy(DOCUMENT)
    node: Any = document
    *parents, last = path.split(".")
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    node[int(last) if isinstance(node, list) else last] = value
    return document
