"""Exchange a pipeline's identity token for an access token."""

from typing import Any

from django.test import Client

from tests.api import refusal

EXCHANGE_URL = "/api/v1/auth/token/exchange"
FORM_TYPE = "application/x-www-form-urlencoded"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


def exchange(token: str, **fields: str) -> Any:
    """Return the answer to the exchange of a token."""
    form = {"grant_type": GRANT_TYPE, "subject_token": token, "subject_token_type": JWT_TYPE, **fields}
    return Client().post(
        EXCHANGE_URL, "&".join(f"{name}={value}" for name, value in form.items()), content_type=FORM_TYPE
    )


def refused(answer: Any) -> tuple[int, str]:
    """Return status and code of a problem, which holds no token."""
    assert "access_token" not in answer.json()
    return refusal(answer)
