"""A pipeline that evaluates predictions and asks the gate."""

import io
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.core.management import call_command

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from tests.api import Caller
from tests.factories import completed_version

FILES = Path(__file__).parents[2] / "cases" / "gate"


class Pipeline:
    """A pipeline that trains versions of one model, evaluates their predictions and asks the gate.

    It evaluates by the command, which takes a fraction of the time of an upload's own process.
    """

    def __init__(self, admin: User, organization: Organization, task_type: str) -> None:
        self.admin, self.caller = admin, Caller(admin)
        self.model = RegisteredModel.objects.create(organization=organization, name="t", task_type=task_type)
        self.path = f"/models/{self.model.pk}"

    def version(self, file: str | bytes, *flags: str, promoted: bool = False, **options: str) -> Version:
        """Return a new version that was evaluated on a file or its content."""
        made = completed_version(self.model, number=self.model.versions.count() + 1)
        content = file if isinstance(file, bytes) else (FILES / f"{file}.csv").read_bytes()
        flags += tuple(f"--{name.replace('_', '-')}={value}" for name, value in options.items())
        with NamedTemporaryFile(suffix=".csv") as predictions:
            Path(predictions.name).write_bytes(content)
            call_command("evaluate", self.model.pk, made.version_id, predictions.name, *flags, stdout=io.StringIO())
        if promoted:
            assert self.caller.post(f"{self.path}/versions/{made.version_id}/promote").status_code == 200
        return made

    def judge(self, *rules: dict[str, Any], **required: Any) -> Any:
        """Return the verdict on the newest version."""
        answer = self.caller.post(f"{self.path}/performance/gate", {**required, "rules": [*rules]})
        assert answer.status_code == 200, answer.content
        return answer.json()
