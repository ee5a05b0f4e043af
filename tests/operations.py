"""Every operation of the API that needs a token, by hand from the contract, and a model on which each succeeds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, User
from models_registry.accounts.scopes import Scope
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from models_registry.tokens.services import create_named_token, create_service_account
from performance.badges.models import Badge
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy
from performance.snapshots.models import SnapshotDetail, SnapshotSlice
from performance.webhooks.models import Webhook
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot
from tests.forms import BOUNDARY, multipart

ORGANIZATION = "organizations/<str:slug>"
MEMBERS = f"{ORGANIZATION}/members"
DATASETS = f"{ORGANIZATION}/datasets"
ACCOUNTS = f"{ORGANIZATION}/service-accounts"
ACCOUNT = f"{ACCOUNTS}/<str:account>"
TOKENS = f"{ACCOUNT}/tokens"
OWN_TOKENS = "auth/personal-tokens"
IMPORTS = f"{ORGANIZATION}/imports"
NAMED_MODEL = f"{ORGANIZATION}/models/<path:name>"
WEBHOOKS = f"{ORGANIZATION}/webhooks"
WEBHOOK = f"{WEBHOOKS}/<str:webhook_id>"
MODEL = "models/<str:model_id>"
BADGES = f"{MODEL}/badges"
GRANTS = f"{MODEL}/grants"
VERSION = f"{MODEL}/versions/<str:version_id>"
SNAPSHOTS = f"{VERSION}/snapshots"
PERFORMANCE = f"{MODEL}/performance"
NEW_TOKEN = {"name": "nightly", "scopes": ["model:read"], "lifetime_days": 90}
POLICY = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.5}]}


@dataclass(frozen=True)
class Target:
    """What an operation is done to: the values of a route's parameters."""

    slug: str
    model_id: str
    username: str
    account: str
    grant_id: str
    snapshot_id: str
    evaluation_id: str
    badge_id: str
    webhook_id: str
    token_id: str
    version_id: str = "ver-001a2"
    name: str = "new/model"


@dataclass(frozen=True)
class Operation:
    """One method of one route: the scope that it needs, and for a write a body with which it succeeds.

    `text` is the body's field into which hostile values are put; of a `form` there is none, and one of its fields is a
    file. `scope` is `None` where only a superuser has a right.
    """

    method: str
    route: str
    scope: Scope | None
    status: int = 200
    body: dict[str, Any] | None = None
    text: str = ""
    query: str = ""
    form: dict[str, str] | None = None
    stores: bool = True
    audit_entries: int = 1  # of one write

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET" and self.stores

    @property
    def is_for_everybody(self) -> bool:
        """Whether it answers everybody, with what they have a right to, or is done to what is their own."""
        return self.route.startswith(OWN_TOKENS) or (not self.writes and self.route in {"organizations", "models"})

    def path(self, target: Target) -> str:
        """Return where it is done to a target."""
        path = self.route
        for name, value in vars(target).items():
            path = path.replace(f"<str:{name}>", value).replace(f"<path:{name}>", value)
        return f"/api/v1/{path}{self.query}"

    @property
    def content_type(self) -> str:
        """What the body is declared as."""
        return "application/json" if self.form is None else f"multipart/form-data; boundary={BOUNDARY}"

    def data(self, target: Target) -> str:
        """Return the body as it is sent."""
        if self.form is not None:
            return multipart(**self.form)
        return "" if self.body is None else json.dumps(self.body).replace("{slug}", target.slug)

    def hostile(self, target: Target, value: bytes) -> bytes:
        """Return the body with a value in the place of its text."""
        body = {**json.loads(self.data(target)), self.text: "MARK"}
        return json.dumps(body).encode().replace(b'"MARK"', value)


OPERATIONS = [
    Operation("GET", "organizations", Scope.ORGANIZATION_ADMIN),
    Operation("POST", "organizations", None, 201, {"slug": "initech", "name": "Initech"}, "name"),
    Operation("GET", ORGANIZATION, Scope.ORGANIZATION_ADMIN),
    Operation("PATCH", ORGANIZATION, Scope.ORGANIZATION_ADMIN, 200, {"name": "New"}, "name"),
    Operation("GET", MEMBERS, Scope.ORGANIZATION_ADMIN),
    Operation("POST", MEMBERS, Scope.ORGANIZATION_ADMIN, 201, {"username": "nora", "role": "viewer"}, "username"),
    Operation("GET", f"{MEMBERS}/<str:username>", Scope.ORGANIZATION_ADMIN),
    Operation("PATCH", f"{MEMBERS}/<str:username>", Scope.ORGANIZATION_ADMIN, 200, {"role": "editor"}, "role"),
    Operation("DELETE", f"{MEMBERS}/<str:username>", Scope.ORGANIZATION_ADMIN, 204),
    Operation("GET", ACCOUNTS, Scope.ORGANIZATION_ADMIN),
    Operation("POST", ACCOUNTS, Scope.ORGANIZATION_ADMIN, 201, {"name": "ci"}, "name"),
    Operation("GET", ACCOUNT, Scope.ORGANIZATION_ADMIN),
    Operation("PATCH", ACCOUNT, Scope.ORGANIZATION_ADMIN, 200, {"role": "viewer"}, "role"),
    Operation("GET", TOKENS, Scope.ORGANIZATION_ADMIN),
    Operation("POST", TOKENS, Scope.ORGANIZATION_ADMIN, 201, NEW_TOKEN, "name"),
    Operation("GET", f"{TOKENS}/<str:token_id>", Scope.ORGANIZATION_ADMIN),
    Operation("DELETE", f"{TOKENS}/<str:token_id>", Scope.ORGANIZATION_ADMIN, 204),
    Operation("GET", OWN_TOKENS, Scope.ORGANIZATION_ADMIN),
    Operation("POST", OWN_TOKENS, Scope.ORGANIZATION_ADMIN, 201, NEW_TOKEN, "name"),
    Operation("GET", f"{OWN_TOKENS}/<str:token_id>", Scope.ORGANIZATION_ADMIN, 404),  # it is a service account's
    Operation("DELETE", f"{OWN_TOKENS}/<str:token_id>", Scope.ORGANIZATION_ADMIN, 404, stores=False),
    Operation("GET", DATASETS, Scope.ORGANIZATION_VIEWER),
    Operation("POST", DATASETS, Scope.ORGANIZATION_EDITOR, 201, {"name": "october"}, "name"),
    Operation(
        "POST",
        IMPORTS,
        Scope.ORGANIZATION_EDITOR,
        201,
        form={"format": "csv", "model": "imported", "file": "accuracy\n0.5\n", "task_type": "classification"},
        audit_entries=4,  # a model, a version, its completion and its snapshots
    ),
    Operation("GET", WEBHOOKS, Scope.ORGANIZATION_ADMIN),
    Operation(
        "POST",
        WEBHOOKS,
        Scope.ORGANIZATION_ADMIN,
        201,
        {"url": "https://example.com/hook", "events": ["version.promoted"]},
        "url",
    ),
    Operation("GET", WEBHOOK, Scope.ORGANIZATION_ADMIN),
    Operation("PATCH", WEBHOOK, Scope.ORGANIZATION_ADMIN, 200, {"url": "https://example.com/other"}, "url"),
    Operation("DELETE", WEBHOOK, Scope.ORGANIZATION_ADMIN, 204),
    Operation("GET", f"{WEBHOOK}/deliveries", Scope.ORGANIZATION_ADMIN),
    Operation("POST", f"{WEBHOOK}/test", Scope.ORGANIZATION_ADMIN, 202),
    Operation("GET", "models", Scope.MODEL_READ),
    Operation(
        "POST",
        "models",
        Scope.ORGANIZATION_EDITOR,
        201,
        {"organization": "{slug}", "name": "fraud", "task_type": "ranking"},
        "name",
    ),
    Operation("PUT", NAMED_MODEL, Scope.ORGANIZATION_EDITOR, 201, {"task_type": "ranking"}, "description"),
    Operation("GET", MODEL, Scope.MODEL_READ),
    Operation("PATCH", MODEL, Scope.MODEL_WRITE, 200, {"description": "new"}, "description"),
    Operation("DELETE", MODEL, Scope.ORGANIZATION_ADMIN, 204),
    Operation("GET", GRANTS, Scope.ORGANIZATION_ADMIN),
    Operation("POST", GRANTS, Scope.ORGANIZATION_ADMIN, 201, {"username": "nora", "scope": "model:read"}, "username"),
    Operation("GET", f"{GRANTS}/<str:grant_id>", Scope.ORGANIZATION_ADMIN),
    Operation("DELETE", f"{GRANTS}/<str:grant_id>", Scope.ORGANIZATION_ADMIN, 204),
    Operation("GET", f"{MODEL}/promotions", Scope.MODEL_READ),
    Operation("GET", BADGES, Scope.ORGANIZATION_ADMIN),
    Operation(
        "POST", BADGES, Scope.ORGANIZATION_ADMIN, 201, {"metric": "accuracy", "lifetime_days": 90}, "dataset_split"
    ),
    Operation("GET", f"{BADGES}/<str:badge_id>", Scope.ORGANIZATION_ADMIN),
    Operation("DELETE", f"{BADGES}/<str:badge_id>", Scope.ORGANIZATION_ADMIN, 204),
    Operation("POST", f"{MODEL}/rollback", Scope.MODEL_PROMOTE, 200, {"reason": "it drifts"}, "reason"),
    Operation("GET", f"{MODEL}/versions", Scope.MODEL_READ),
    Operation("POST", f"{MODEL}/versions", Scope.MODEL_WRITE, 201, {"description": "nightly"}, "description"),
    Operation("GET", VERSION, Scope.MODEL_READ),
    Operation("PATCH", VERSION, Scope.MODEL_WRITE, 200, {"description": "new"}, "description"),
    Operation("POST", f"{VERSION}/promote", Scope.MODEL_PROMOTE, 200, {"reason": "better"}, "reason"),
    Operation("GET", f"{VERSION}/model-card", Scope.MODEL_READ),
    Operation("GET", SNAPSHOTS, Scope.MODEL_READ),
    Operation(
        "POST",
        SNAPSHOTS,
        Scope.MODEL_WRITE,
        201,
        {"dataset_split": "test", "metrics": {"accuracy": 0.5}},
        "dataset_split",
    ),
    Operation(
        "POST",
        f"{SNAPSHOTS}:batch",
        Scope.MODEL_WRITE,
        201,
        {"snapshots": [{"dataset_split": "test", "metrics": {"accuracy": 0.5}}]},
        "snapshots",
    ),
    Operation("GET", f"{SNAPSHOTS}/<str:snapshot_id>", Scope.MODEL_READ),
    Operation(
        "POST",
        f"{VERSION}/evaluations",
        Scope.MODEL_WRITE,
        202,
        form={"dataset_split": "test", "file": "actual,predicted\nyes,no\n"},
    ),
    Operation("GET", "evaluations/<str:evaluation_id>", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/summary", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/report", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/confusion-matrix", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/misclassifications", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/residuals", Scope.MODEL_READ, 404),  # the model has classes
    Operation("GET", f"{PERFORMANCE}/slices", Scope.MODEL_READ, query="?by=country"),
    Operation("GET", f"{PERFORMANCE}/curves", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/history", Scope.MODEL_READ, query="?metric=accuracy"),
    Operation("GET", f"{PERFORMANCE}/compare", Scope.MODEL_READ),
    Operation("GET", f"{PERFORMANCE}/badge.svg", Scope.MODEL_READ, query="?metric=accuracy"),
    Operation("GET", f"{PERFORMANCE}/gate", Scope.MODEL_READ),
    Operation("POST", f"{PERFORMANCE}/gate", Scope.MODEL_READ, 200, POLICY, "dataset_split", stores=False),
    Operation("GET", f"{MODEL}/verdicts", Scope.MODEL_READ),
    Operation("GET", f"{MODEL}/gate-policy", Scope.MODEL_READ),
    Operation("PUT", f"{MODEL}/gate-policy", Scope.ORGANIZATION_ADMIN, 200, POLICY, "dataset_split"),
    Operation("DELETE", f"{MODEL}/gate-policy", Scope.ORGANIZATION_ADMIN, 204),
    Operation("GET", f"{ORGANIZATION}/gate-policy", Scope.ORGANIZATION_VIEWER),
    Operation("PUT", f"{ORGANIZATION}/gate-policy", Scope.ORGANIZATION_ADMIN, 200, POLICY, "dataset_split"),
    Operation("DELETE", f"{ORGANIZATION}/gate-policy", Scope.ORGANIZATION_ADMIN, 204),
]
WRITES = [operation for operation in OPERATIONS if operation.body is not None]


def furnish(model: RegisteredModel) -> Target:
    """Give the contract's example, or one like it, all that the operations need to succeed."""
    slug = model.organization.slug
    second = completed_version(model, number=418)
    stored = snapshot(second, metrics=EXAMPLE_METRICS, source="computed")
    SnapshotSlice.objects.create(
        snapshot=stored, attribute="country", position=1, value="NL", sample_count=6, metrics={"accuracy": 0.5}
    )
    SnapshotDetail.objects.create(snapshot=stored, confusion_matrix={"labels": ["a", "b"], "counts": [[3, 1], [0, 2]]})
    promote(version=second, promoted_by=None, reason="the second")
    member = new_user(f"member-of-{slug}")
    Membership.objects.create(organization=model.organization, user=member, role="viewer")
    grant = ModelGrant.objects.create(model=model, user=member, scope="model:write")
    GatePolicy.objects.create(model=model, version=1, document=POLICY)
    GatePolicy.objects.create(organization=model.organization, version=1, document=POLICY)
    if not User.objects.filter(username="nora").exists():
        new_user("nora")
    evaluation = EvaluationJob.objects.create(version=second, dataset_split="test", file="uploads/none.csv")
    webhook = Webhook.objects.create(
        organization=model.organization, url="https://example.com/hook", events=["snapshot.created", "version.promoted"]
    )
    badge = Badge.objects.create(model=model, expires_at=timezone.now() + timedelta(days=1))
    account = create_service_account(
        username=f"{model.organization.slug}.pipeline", owner=model.organization, role="editor"
    )
    token, _ = create_named_token(
        user=account, name="GitHub", scopes=[Scope.MODEL_READ], lifetime=timedelta(days=1), created_by=member
    )
    rows = (str(row.pk) for row in (grant, stored, evaluation, badge, webhook, token))
    return Target(slug, model.pk, member.username, account.username, *rows)


def operations_of(routes: Iterator[tuple[str, Any]]) -> set[str]:
    """Return the operations that the resolver's routes have, as `str` gives those above."""
    return {
        f"{method.upper()} {path.removeprefix('api/v1/')}"
        for path, view in routes
        for method in getattr(view, "actions", None) or ()
        if path.startswith("api/v1/") and method != "head"
    }
