"""Tokens and addresses that are given: used, or refused without being shown."""

import pytest
from performance_registry import CredentialsError, Registry
from performance_registry.credentials import GivenToken, find_credentials

URL = "http://127.0.0.1:9"  # nothing listens there


@pytest.mark.parametrize("token", ["secret\nvalue", "secret-é", "secret\0value"])
def test_a_token_that_no_header_can_contain_is_not_shown(token: str, caplog: pytest.LogCaptureFixture) -> None:
    with Registry(URL, token) as registry, pytest.raises(CredentialsError, match="contains a line break") as refused:
        registry.rows("/models")

    assert "secret" not in str(refused.value) + caplog.text


def test_a_token_may_end_with_a_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", " token\n")

    assert find_credentials(URL, None, 0) == GivenToken("token")


@pytest.mark.parametrize(
    "url", ["https://ada:secret@registry.example.com", "ada:secret@registry", "http://ada:secret@b@[::"]
)
def test_an_address_with_a_login_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(CredentialsError) as refused:
        Registry(url, "x")

    assert "secret" not in str(refused.value)
