"""Who may do what, with a token narrowed to what: every operation of the resolver, every actor, every scope.

One check refuses what either the actor's rights or the token's scopes don't allow, whatever the other allows. So not
every pair of an actor and a narrowed token is tried that is refused: see `is_decisive`.
"""

import json
from itertools import product
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from models_registry.accounts.models import Membership, ModelGrant, Organization, User
from models_registry.accounts.scopes import ALL_SCOPES, Scope
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from models_registry.tokens.jwt import new_token
from tests.config.test_routes import routes
from tests.conftest import authenticated
from tests.factories import EXAMPLE_METRICS, completed_version, new_user, snapshot
from tests.operations import OPERATIONS, WRITES, Operation, Target, furnish, operations_of

pytestmark = pytest.mark.django_db

# As the contract has it, by hand.
VIEWS = {"model:read", "organization:viewer"}
EDITS = VIEWS | {"model:write", "organization:editor"}
ADMINISTERS = EDITS | {"model:promote", "organization:admin"}
HELD: dict[str, dict[str, set[str]]] = {
    "acme": {
        "outsider": set(),
        "viewer": VIEWS,
        "editor": EDITS,
        "admin": ADMINISTERS,
        "reader": {"model:read"},
        "writer": {"model:write"},
        "promoter": {"model:promote"},
        "superuser": ADMINISTERS,
    },
    "globex": {
        "outsider": ADMINISTERS,
        "viewer": set(),
        "editor": set(),
        "admin": set(),
        "reader": set(),
        "writer": set(),
        "promoter": set(),
        "superuser": ADMINISTERS,
    },
}
MAY_DO_ALL = {"acme": {"admin", "superuser"}, "globex": {"outsider", "superuser"}}
COVERED = {
    None: ADMINISTERS,
    "model:read": {"model:read"},
    "model:write": {"model:write"},
    "model:promote": {"model:promote"},
    "organization:viewer": VIEWS,
    "organization:editor": EDITS,
    "organization:admin": ADMINISTERS,
}
ACTORS = list(HELD["acme"])
CELLS = [(actor, scope) for actor in ACTORS for scope in COVERED]
Cell = tuple[str, str | None]
Outcome = tuple[int, int, int]  # the status, and the numbers of writes and of denials in the audit trail


def expected(operation: Operation, organization: str, actor: str, scope: str | None) -> int:
    if operation.scope is None:
        allowed = actor == "superuser" and "organization:admin" in COVERED[scope]
    else:
        held = operation.is_for_everybody or operation.scope in HELD[organization][actor]
        allowed = held and operation.scope in COVERED[scope]
    return operation.status if allowed else 403


@pytest.fixture
def targets(model: RegisteredModel, outsider: User) -> dict[str, Target]:
    """A model of Acme's and one of Globex's, on which all can be done."""
    globex = RegisteredModel.objects.create(
        model_id="mdl-00000000ff",
        organization=Organization.objects.get(slug="globex"),
        name="churn",
        task_type="classification",
    )
    version = completed_version(globex, number=417)
    snapshot(version, metrics=EXAMPLE_METRICS)
    promote(version=version, promoted_by=None, reason="the first")
    return {"acme": furnish(model), "globex": furnish(globex)}


@pytest.fixture
def actors(viewer: User, editor: User, admin: User, outsider: User, superuser: User, model: RegisteredModel) -> Any:
    """The users, by what they are to Acme and its model."""
    granted = {"reader": "model:read", "writer": "model:write", "promoter": "model:promote"}
    for name, scope in granted.items():
        ModelGrant.objects.create(model=model, user=new_user(name), scope=scope)
    by_grant = {name: User.objects.get(username=name) for name in granted}
    return {
        "viewer": viewer,
        "editor": editor,
        "admin": admin,
        "outsider": outsider,
        "superuser": superuser,
        **by_grant,
    }


def holding(user: User, scope: str | None) -> Client:
    """Return a client with a token as an operator makes it, which costs no row."""
    scopes = ALL_SCOPES if scope is None else frozenset({Scope(scope)})
    token = new_token(AccessToken, user, family=None, scope=scopes)
    return Client(headers={"Authorization": f"Bearer {token}"})


def newest_entry() -> int:
    return AuditEntry.objects.order_by("pk").values_list("pk", flat=True).last() or 0


def attempt(operation: Operation, target: Target, client: Client, newest: int) -> Outcome:
    """Return the status, and how many writes and denials are in the audit trail after `newest`; then undo it all."""
    with transaction.atomic():
        status = send(operation, target, client)
        actions = list(AuditEntry.objects.filter(pk__gt=newest).values_list("action", flat=True))
        transaction.set_rollback(True)
    return outcome(status, actions)


def attempt_each(operation: Operation, target: Target, clients: dict[Cell, Client]) -> dict[Cell, Outcome]:
    """Return the same of requests that must change nothing, from which nothing is undone before the last was sent.

    Each entry of the audit trail has the id of its request.
    """
    ids = {cell: f"cell-{number}" for number, cell in enumerate(clients)}
    actions: dict[str, list[int]] = {each: [] for each in ids.values()}
    with transaction.atomic():
        statuses = {cell: send(operation, target, client, ids[cell]) for cell, client in clients.items()}
        for request_id, action in AuditEntry.objects.filter(cid__in=actions).values_list("cid", "action"):
            actions[request_id].append(action)
        transaction.set_rollback(True)
    return {cell: outcome(status, actions[ids[cell]]) for cell, status in statuses.items()}


def send(operation: Operation, target: Target, client: Client, request_id: str = "cell") -> int:
    """Send the operation's request and return the status."""
    answer = client.generic(
        operation.method,
        operation.path(target),
        operation.data(target),
        operation.content_type,
        headers={"X-Request-ID": request_id},
    )
    if answer.status_code == 403:
        assert (operation.scope or "organization:admin") in answer.json()["detail"]
    return int(answer.status_code)


def outcome(status: int, actions: list[int]) -> Outcome:
    """Return a status with the numbers of writes and denials among the actions of the audit trail."""
    denials = actions.count(AuditEntry.DENIED)
    return status, len(actions) - denials, denials


def is_decisive(operation: Operation, organization: str, cell: Cell) -> bool:
    """Say whether the cell is allowed, or shows what is refused for one reason alone.

    Each actor shows what their rights refuse with a token that isn't narrowed; those who may do all show what each
    narrowed token refuses.
    """
    actor, scope = cell
    alone = scope is None or actor in MAY_DO_ALL[organization]
    return alone or expected(operation, organization, actor, scope) != 403


@pytest.mark.parametrize("organization", [pytest.param("acme", marks=pytest.mark.once), "globex"])
def test_each_operation_allows_whom_the_contract_names_and_leaves_one_audit_entry(
    targets: dict[str, Target], actors: dict[str, User], organization: str, subtests: pytest.Subtests
) -> None:
    clients = {(actor, scope): holding(actors[actor], scope) for actor, scope in CELLS}
    stranger, target, newest = Client(), targets[organization], newest_entry()
    for operation in OPERATIONS:
        cache.clear()  # else answers were 429 in the end
        cells = [cell for cell in CELLS if is_decisive(operation, organization, cell)]
        with subtests.test(str(operation)):
            should_be = {cell: outcome_of(operation, expected(operation, organization, *cell)) for cell in cells}
            writing = [cell for cell in cells if should_be[cell][1]]
            reading = {cell: clients[cell] for cell in cells if cell not in writing}
            found = attempt_each(operation, target, reading)
            found |= {cell: attempt(operation, target, clients[cell], newest) for cell in writing}
            assert found == should_be
            assert attempt(operation, target, stranger, newest) == outcome_of(operation, 401)


def outcome_of(operation: Operation, status: int) -> Outcome:
    """Return a status with the numbers of writes and of denials that the audit trail must have of it."""
    return (status, 0, 1) if status in (401, 403) else (status, operation.writes * operation.audit_entries, 0)


def test_every_operation_is_in_the_matrix() -> None:
    assert {str(operation) for operation in OPERATIONS} == operations_of(routes())


def test_every_scope_is_in_the_matrix() -> None:
    assert {scope for scope in COVERED if scope} == set(Scope) == ADMINISTERS


class TestOtherOrganizations:
    def test_lists_never_show_records_of_other_organizations(
        self, targets: dict[str, Target], actors: dict[str, User], subtests: pytest.Subtests
    ) -> None:
        clients = {name: holding(user, None) for name, user in actors.items()}
        for query, more in product(
            ["", "ordering=name", "search=churn", "name=churn", "organization=globex"],
            ["", "task_type=classification", "state=ready", "page_size=1"],
        ):
            path = f"/api/v1/models?{query}&{more}".replace("?&", "?").rstrip("?&")
            with subtests.test(path):
                for name in ("viewer", "editor", "admin", "reader"):
                    models = clients[name].get(path).json()
                    assert {each["organization"] for each in models["results"]} <= {"acme"}
                    assert models["next"] is None
                for name in ("writer", "promoter"):
                    assert clients[name].get(path).json()["results"] == []

    def test_a_body_cannot_name_another_organization(self, targets: dict[str, Target], actors: dict[str, User]) -> None:
        body = {"organization": "globex", "name": "x", "task_type": "ranking"}

        answer = authenticated(actors["admin"]).post("/api/v1/models", body, content_type="application/json")

        assert answer.status_code == 403
        assert not RegisteredModel.objects.filter(name="x").exists()

    def test_own_urls_do_not_lead_to_records_of_other_organizations(
        self, targets: dict[str, Target], actors: dict[str, User]
    ) -> None:
        ada, own, foreign = authenticated(actors["admin"]), targets["acme"], targets["globex"]

        grant = f"/api/v1/models/{own.model_id}/grants/{foreign.grant_id}"
        snapshot = f"/api/v1/models/{own.model_id}/versions/ver-001a2/snapshots/{foreign.snapshot_id}"
        member = f"/api/v1/organizations/acme/members/{foreign.username}"

        assert [ada.get(path).status_code for path in (grant, snapshot, member)] == [404, 404, 404]
        assert [ada.delete(path).status_code for path in (grant, member)] == [404, 404]
        assert ModelGrant.objects.filter(pk=foreign.grant_id).exists()
        assert Membership.objects.filter(user__username=foreign.username).exists()


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user: User) -> None:
    stored = User.objects.get(pk=user.pk)
    stored.set_password("another one")
    stored.save()


def log_out(user: User) -> None:
    user.token_families.all().delete()


def remove_role(user: User) -> None:
    user.memberships.all().delete()


def test_a_lost_right_is_refused_at_the_next_write(
    targets: dict[str, Target], actors: dict[str, User], subtests: pytest.Subtests
) -> None:
    ada, target = actors["admin"], targets["acme"]
    client, newest = authenticated(ada), newest_entry()
    for operation in (each for each in OPERATIONS if each.writes and each.scope):
        cache.clear()  # else answers were 429 in the end
        assert attempt(operation, target, client, newest) == (operation.status, operation.audit_entries, 0)
        for happens in (deactivate, change_password, log_out, remove_role):
            with subtests.test(f"{operation}: {happens.__name__}"):
                with transaction.atomic():
                    happens(ada)
                    found = attempt(operation, target, client, newest_entry())
                    transaction.set_rollback(True)

                if happens is not remove_role:
                    assert found == (401, 0, 1)
                elif operation.is_for_everybody:  # what is the caller's own needs no role
                    assert found == (operation.status, 1, 0)
                else:
                    assert found == (403, 0, 1)


def test_fields_that_the_caller_cannot_set_are_refused(
    targets: dict[str, Target], actors: dict[str, User], subtests: pytest.Subtests
) -> None:
    names = ["id", "pk", "created_by", "created_at", "promoted_version", "organization_id"]
    client, target = authenticated(actors["superuser"]), targets["acme"]
    before = AuditEntry.objects.count()
    for operation in WRITES:
        with subtests.test(str(operation)):
            body = {**json.loads(operation.data(target)), **dict.fromkeys(names, 1)}
            answer = client.generic(operation.method, operation.path(target), json.dumps(body), "application/json")

            assert answer.status_code == 400
            assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [
                (name, "unknown_field") for name in names
            ]
            assert AuditEntry.objects.count() == before
