"""The summary in FastAPI, asyncpg and PyJWT: one statement, the same checks in the same order, the same JSON.

It leaves out what the service has beside these: ETag, request ids, throttling and logs of denials. That favours it.
"""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import jwt
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, PlainSerializer

from models_registry import task_types
from models_registry.registry import ids

ISSUER = "model-performance-registry"
READ = {"model:read", "organization:viewer", "organization:editor", "organization:admin"}
STATEMENT = """
SELECT u.is_active, u.password, u.is_superuser,
    f.id IS NOT NULL AND f.revoked_at IS NULL AS logged_in,
    m.task_type,
    EXISTS (SELECT FROM models_registry_membership r
            WHERE r.organization_id = m.organization_id AND r.user_id = u.id)
    OR EXISTS (SELECT FROM models_registry_modelgrant g
               WHERE g.model_id = m.model_id AND g.user_id = u.id AND g.scope = 'model:read') AS permitted,
    (SELECT n.number FROM models_registry_version n WHERE n.model_id = m.model_id AND n.state = 'completed'
     ORDER BY n.number DESC LIMIT 1) AS newest_completed,
    v.number, v.state, s.metrics, s.evaluated_at
FROM models_registry_user u
LEFT JOIN models_registry_tokenfamily f ON f.id = $2 AND f.user_id = u.id
LEFT JOIN models_registry_registeredmodel m ON m.model_id = $3
LEFT JOIN models_registry_version v ON {version}
LEFT JOIN LATERAL (
    SELECT metrics, evaluated_at FROM performance_metricsnapshot
    WHERE version_id = v.id AND dataset_split = $4 ORDER BY evaluated_at DESC, id DESC LIMIT 1
) s ON true
WHERE u.id = $1
"""
PROMOTED = STATEMENT.format(version="v.id = m.promoted_version_id")
NUMBERED = STATEMENT.format(version="v.model_id = m.model_id AND v.number = $5")


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        self.status = status
        self.code = code
        self.detail = detail


class Parameters(BaseModel):
    """The query parameters; any other is refused."""

    model_config = ConfigDict(extra="forbid")

    version_id: Annotated[str | None, Query(pattern=r"^ver-[0-9a-f]{5,}$")] = None
    dataset_split: Literal["train", "validation", "test"] = "test"


def to_seconds(moment: datetime) -> str:
    """Return a moment as the contract has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Summary(BaseModel):
    """The answer."""

    model_id: str
    version_id: str
    task_type: str
    dataset_split: str
    metrics: dict[str, float | None]
    evaluated_at: Annotated[datetime, PlainSerializer(to_seconds, return_type=str)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep connections for as long as the application runs."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2, max_size=16) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(Problem)
async def answer_problem(request: Request, problem: Problem) -> JSONResponse:
    """Answer with a problem document."""
    return problem_response(problem.status, problem.code, problem.detail, request)


@app.exception_handler(RequestValidationError)
async def answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer a query that is not valid."""
    return problem_response(400, "invalid_parameter", str(error), request)


def problem_response(status: int, code: str, detail: str, request: Request) -> JSONResponse:
    """Return a problem document (RFC 9457)."""
    members = {"type": f"urn:problem:{code}", "status": status, "detail": detail, "instance": request.url.path}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({**members, "code": code}, status, headers, media_type="application/problem+json")


async def verified_claims(authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    """Return what a valid access token claims."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(401, "not_authenticated", "Send an access token.")
    try:
        claims: dict[str, Any] = jwt.decode(
            token, os.environ["JWT_SIGNING_KEY"], ["HS256"], audience=ISSUER, issuer=ISSUER
        )
    except jwt.ExpiredSignatureError:
        raise Problem(401, "token_expired", "The token has expired.") from None
    except jwt.InvalidTokenError:
        raise Problem(401, "invalid_token", "The token is not valid.") from None
    if claims["token_type"] != "access":
        raise Problem(401, "invalid_token", "The token is not an access token.")
    return claims


@app.get("/api/v1/models/{model_id}/performance/summary", response_model=Summary)
async def summary(
    request: Request,
    model_id: str,
    claims: Annotated[dict[str, Any], Depends(verified_claims)],
    parameters: Annotated[Parameters, Query()],
) -> Summary:
    """Answer with the newest snapshot."""
    version_id = parameters.version_id
    row = await find_row(request.app.state.pool, claims, model_id, parameters)
    check_caller(row, claims)
    if row["task_type"] is None:
        raise Problem(404, "model_not_found", f"There is no model {model_id}.")
    if not (row["is_superuser"] or row["permitted"]) or READ.isdisjoint(claims.get("scope", "model:read").split()):
        raise Problem(403, "permission_denied", "You need the scope model:read on this model.")
    check_version(row, version_id)
    metrics = json.loads(row["metrics"])
    return Summary(
        model_id=model_id,
        version_id=ids.version_id(row["number"]),
        task_type=row["task_type"],
        dataset_split=parameters.dataset_split,
        metrics={metric.name: metrics.get(metric.name) for metric in task_types.get(row["task_type"]).metrics},
        evaluated_at=row["evaluated_at"],
    )


async def find_row(pool: Any, claims: dict[str, Any], model_id: str, parameters: Parameters) -> Any:
    """Run the one statement."""
    family = UUID(claims["sid"]) if "sid" in claims else None
    values = [int(claims["user_id"]), family, model_id, parameters.dataset_split]
    if parameters.version_id is None:
        return await pool.fetchrow(PROMOTED, *values)
    return await pool.fetchrow(NUMBERED, *values, ids.version_number(parameters.version_id))


def check_caller(row: Any, claims: dict[str, Any]) -> None:
    """Refuse a user who may no longer log in."""
    revoked = row is None or not row["is_active"] or ("sid" in claims and not row["logged_in"])
    if revoked or hashlib.md5(row["password"].encode()).hexdigest().upper() != claims["hash_password"]:  # noqa: S324
        raise Problem(401, "invalid_token", "The token is no longer valid.")


def check_version(row: Any, version_id: str | None) -> None:
    """Refuse what cannot be answered, in the contract's order."""
    if row["newest_completed"] is None:
        raise Problem(422, "no_trained_version", "The model has no completed version yet.")
    if row["number"] is None and version_id is None:
        raise Problem(404, "no_promoted_version", "The model has no promoted version.")
    if row["number"] is None:
        raise Problem(404, "version_not_found", f"The model has no version {version_id}.")
    if row["state"] != "completed":
        raise Problem(422, "version_not_trained", f"The version is {row['state']}.")
    if row["metrics"] is None:
        raise Problem(404, "snapshot_not_found", "The version has no metrics for this split.")
