"""Whatever is asked of a model, in whatever order: the service answers as a model in memory does."""

import os
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from rest_framework_simplejwt.tokens import AccessToken

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry import ids
from models_registry.tokens.jwt import new_token
from tests.e2e.model_in_memory import Memory, moment, newest_first
from tests.factories import new_user

SCOPES = ("model:read", "model:write", "model:promote")
SPLITS = ("train", "validation", "test")
METRICS = ("rmse", "mae", "r_squared", "mape")
UNREADY = {("training", "test"), *(("failed", split) for split in SPLITS)}
numbers = st.integers(1, 4)
# The admin may do all; the grantee what was granted.
actors = st.sampled_from(["admin", "admin", "admin", "grantee"])
splits = st.sampled_from(SPLITS)
repeated = st.sampled_from([False, False, True])
Answer = tuple[int, Any]


class Registry(RuleBasedStateMachine):
    """One model over HTTP, beside the same in memory."""

    clients: dict[str, Client]
    names = count()

    def __init__(self) -> None:
        super().__init__()
        cache.clear()  # else answers were 429 in the end
        self.keys = count()
        self.memory = Memory()
        body = {"organization": "acme", "name": f"model {next(self.names)}", "task_type": "regression"}
        status, made = self.post("admin", "/models", body)
        assert status == 201
        self.url = f"/models/{made['model_id']}"

    # Over HTTP

    def send(self, actor: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Return an answer's status, and its body, or of a problem the code."""
        request = getattr(self.clients[actor], method)
        options = {} if method == "get" else {"data": body or {}, "content_type": "application/json"}
        answer = request(f"/api/v1{path}", headers=headers, **options)
        found: Any = answer.json() if answer.content else None
        return answer.status_code, found["code"] if answer.status_code >= 400 else found

    def post(self, actor: str, path: str, body: Any = None, *, repeat: bool = False) -> Answer:
        """Post, and where asked to, once more under the same key: what was done is not done again."""
        if not repeat:
            return self.send(actor, "post", path, body)
        key = {"Idempotency-Key": f"key {next(self.keys)}"}
        first = self.send(actor, "post", path, body, **key)
        assert self.send(actor, "post", path, body, **key) == first
        return first

    # In memory

    def may(self, actor: str, scope: str) -> bool:
        return actor == "admin" or scope in self.memory.granted

    def refused_version(self, actor: str, scope: str, number: int) -> Answer | None:
        """Return how a write to a version is refused before it is looked at."""
        if not self.may(actor, scope):
            return 403, "permission_denied"
        if number > len(self.memory.states):
            return 404, "version_not_found"
        return (409, "conflict") if self.memory.archived else None

    def state_of(self, number: int) -> str:
        return self.memory.states[number - 1]

    def expected_summary(self, actor: str, split: str, number: int | None) -> Answer:
        memory = self.memory
        if not self.may(actor, "model:read"):
            return 403, "permission_denied"
        if memory.newest_completed is None:
            return 422, "no_trained_version"
        if number is None and memory.promoted is None:
            return 404, "no_promoted_version"
        read = number or memory.promoted or 0
        if read > len(memory.states):
            return 404, "version_not_found"
        if self.state_of(read) != "completed":
            return 422, "version_not_trained"
        if (read, split) not in memory.snapshots:
            return 404, "snapshot_not_found"
        hour, rmse = newest_first(memory.snapshots[read, split])[0]
        return 200, {
            "model_id": self.url.removeprefix("/models/"),
            "version_id": ids.version_id(read),
            "task_type": "regression",
            "dataset_split": split,
            "metrics": {**dict.fromkeys(METRICS), "rmse": rmse},
            "evaluated_at": moment(hour),
        }

    # What may happen

    @initialize(states=st.lists(st.sampled_from(["completed", "completed", "training"]), min_size=2, max_size=3))
    def train(self, states: list[str]) -> None:
        for number, state in enumerate(states, 1):
            self.create_version(actor="admin", repeat=False)
            self.end_training(actor="admin", number=number, state=state)

    @rule(actor=actors, repeat=repeated)
    def create_version(self, actor: str, repeat: bool) -> None:
        status, answer = self.post(actor, f"{self.url}/versions", {"description": "x"}, repeat=repeat)
        if not self.may(actor, "model:write"):
            assert (status, answer) == (403, "permission_denied")
        elif self.memory.archived:
            assert (status, answer) == (409, "conflict")
        else:
            self.memory.states.append("training")
            assert (status, answer["state"]) == (201, "training")
            assert answer["version_id"] == ids.version_id(len(self.memory.states))

    @rule(actor=actors, number=numbers, state=st.sampled_from(["completed", "completed", "failed", "training"]))
    def end_training(self, actor: str, number: int, state: str) -> None:
        status, answer = self.send(actor, "patch", version_url(self.url, number), {"state": state})
        refused = self.refused_version(actor, "model:write", number)
        if refused is None and self.state_of(number) not in ("training", state):
            refused = (409, "conflict")
        if refused is None:
            self.memory.states[number - 1] = state
            assert (status, answer["state"]) == (200, state)
        else:
            assert (status, answer) == refused

    @rule(
        actor=actors,
        number=numbers,
        split=splits,
        hour=st.integers(0, 3),
        rmse=st.floats(0, 1e6).map(lambda value: value + 0.0),
        detailed=st.booleans(),
        repeat=repeated,
    )
    def report_snapshot(
        self, actor: str, number: int, split: str, hour: int, rmse: float, detailed: bool, repeat: bool
    ) -> None:
        custom = {"cost": rmse} if detailed else {}
        body = {"dataset_split": split, "metrics": {"rmse": rmse}, "evaluated_at": moment(hour)}
        body |= {"custom_metrics": custom} if detailed else {}
        status, answer = self.post(actor, f"{version_url(self.url, number)}/snapshots", body, repeat=repeat)
        refused = self.refused_version(actor, "model:write", number)
        if refused is None and (self.state_of(number), split) in UNREADY:
            refused = (409, "conflict")
        if refused is None:
            self.memory.snapshots.setdefault((number, split), []).append((hour, rmse))
            assert (status, answer["metrics"]["rmse"], answer["custom_metrics"]) == (201, rmse, custom)
        else:
            assert (status, answer) == refused

    @rule(actor=actors, number=numbers, repeat=repeated)
    def promote(self, actor: str, number: int, repeat: bool) -> None:
        status, answer = self.post(actor, f"{version_url(self.url, number)}/promote", {}, repeat=repeat)
        refused = self.refused_version(actor, "model:promote", number)
        if refused is None and self.state_of(number) != "completed":
            refused = (409, "conflict")
        if refused is None:
            self.memory.promote(number)
            assert (status, answer["version_id"]) == (200, ids.version_id(number))
        else:
            assert (status, answer) == refused

    @rule(actor=actors, repeat=repeated)
    def roll_back(self, actor: str, repeat: bool) -> None:
        status, answer = self.post(actor, f"{self.url}/rollback", {}, repeat=repeat)
        if not self.may(actor, "model:promote"):
            assert (status, answer) == (403, "permission_denied")
        elif self.memory.archived or len(self.memory.in_effect) < 2:
            assert (status, answer) == (409, "conflict")
        else:
            self.memory.roll_back()
            assert (status, answer["version_id"]) == (200, ids.version_id(self.memory.in_effect[-1]))

    @rule(steps=st.lists(st.none() | st.integers(1, 3), max_size=6))
    def promote_and_roll_back(self, steps: list[int | None]) -> None:
        """Promote a version, or roll back, step by step: alone, both come too seldom to go far back."""
        for number in steps:
            if number is None:
                self.roll_back(actor="admin", repeat=False)
            else:
                self.promote(actor="admin", number=number, repeat=False)

    @precondition(lambda self: len(self.memory.history) > 9)
    @rule(actor=actors)
    def archive(self, actor: str) -> None:
        answer = self.send(actor, "delete", self.url)
        if actor == "admin":
            self.memory.archived = True
            assert answer == (204, None)
        else:
            assert answer == (403, "permission_denied")

    @rule(actor=actors, scope=st.sampled_from(SCOPES))
    def grant(self, actor: str, scope: str) -> None:
        status, answer = self.post(actor, f"{self.url}/grants", {"username": "gil", "scope": scope})
        if actor == "grantee":
            assert (status, answer) == (403, "permission_denied")
        elif self.memory.archived or scope in self.memory.granted:
            assert (status, answer) == (409, "conflict")
        else:
            assert (status, answer["scope"]) == (201, scope)
            self.memory.granted[scope] = answer["id"]

    @rule(actor=actors, scope=st.sampled_from(SCOPES))
    def revoke(self, actor: str, scope: str) -> None:
        answer = self.send(actor, "delete", f"{self.url}/grants/{self.memory.granted.get(scope, 0)}")
        if actor == "grantee":
            assert answer == (403, "permission_denied")
        else:
            assert answer == ((204, None) if scope in self.memory.granted else (404, "not_found"))
            self.memory.granted.pop(scope, None)

    # What may be read

    @rule(actor=actors, split=splits, number=st.none() | numbers)
    def read_summary(self, actor: str, split: str, number: int | None) -> None:
        asked_for = f"&version_id={ids.version_id(number)}" if number else ""
        answer = self.send(actor, "get", f"{self.url}/performance/summary?dataset_split={split}{asked_for}")
        assert answer == self.expected_summary(actor, split, number)

    @rule(actor=actors)
    def read_model(self, actor: str) -> None:
        status, answer = self.send(actor, "get", self.url)
        if self.may(actor, "model:read"):
            promoted = self.memory.promoted and ids.version_id(self.memory.promoted)
            assert (status, answer["state"], answer["promoted_version_id"]) == (200, self.memory.state, promoted)
        else:
            assert (status, answer) == (403, "permission_denied")

    @rule()
    def read_versions(self) -> None:
        _, answer = self.send("admin", "get", f"{self.url}/versions?page_size=200")
        listed = [(version["version_id"], version["state"], version["promoted"]) for version in answer["results"]]
        expected = enumerate(self.memory.states, 1)
        assert listed[::-1] == [
            (ids.version_id(number), state, number == self.memory.promoted) for number, state in expected
        ]

    @rule()
    def read_promotions(self) -> None:
        _, answer = self.send("admin", "get", f"{self.url}/promotions?page_size=200")
        listed = [(one["previous_version_id"], one["version_id"], one["kind"]) for one in answer["results"]]
        assert listed[::-1] == [
            (before and ids.version_id(before), ids.version_id(after), kind)
            for before, after, kind in self.memory.history
        ]

    @rule(number=numbers, split=splits)
    def read_snapshots(self, number: int, split: str) -> None:
        status, answer = self.send(
            "admin", "get", f"{version_url(self.url, number)}/snapshots?dataset_split={split}&page_size=200"
        )
        if number > len(self.memory.states):
            assert (status, answer) == (404, "version_not_found")
        else:
            listed = [(one["evaluated_at"], one["metrics"]["rmse"]) for one in answer["results"]]
            stored = newest_first(self.memory.snapshots.get((number, split), []))
            assert listed == [(moment(hour), rmse) for hour, rmse in stored]


def version_url(model_url: str, number: int) -> str:
    return f"{model_url}/versions/{ids.version_id(number)}"


@pytest.fixture
def _cast(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = {"admin": lasting(admin), "grantee": lasting(new_user("gil"))}
    monkeypatch.setattr(Registry, "clients", clients, raising=False)


def lasting(user: User) -> Client:
    """Return a client whose token outlives the search for the shortest failing example."""
    access = new_token(AccessToken, user, family=None, scope=ALL_SCOPES)
    access.set_exp(lifetime=timedelta(hours=1))
    return Client(headers={"Authorization": f"Bearer {access}"})


@pytest.mark.once
@pytest.mark.usefixtures("_cast")
def test_the_service_and_a_model_in_memory_never_diverge() -> None:
    run_state_machine_as_test(
        Registry,
        settings=settings(
            max_examples=8,
            stateful_step_count=50,
            derandomize=bool(os.environ.get("CI")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
