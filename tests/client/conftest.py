"""What the tests of the client share."""

from pathlib import Path

import pytest

VARIABLES = (
    *("REGISTRY_URL", "REGISTRY_TOKEN", "REGISTRY_ID_TOKEN", "REGISTRY_AUDIENCE"),
    *("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    *("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITHUB_EVENT_PATH"),
    *("CI_API_V4_URL", "CI_PIPELINE_ID", "CI_MERGE_REQUEST_IID", "GITLAB_TOKEN"),
)


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings and the logins of whoever runs the tests out of them."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
