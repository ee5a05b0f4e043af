"""A pipeline that evaluates files of predictions and asks the gate, as those who would fool it do."""

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


def predictions(wrong: int, *, rows: int = 500, first: int = 0, group: bool = False, ids: bool = True) -> bytes:
    """Return predictions of two classes, so many of them wrong."""
    names = ["actual", "predicted", *(["example_id"] if ids else []), *(["group"] if group else [])]
    lines = [",".join(names)]
    for at in range(first, first + rows):
        cells = [at % 2, at % 2 if at - first >= wrong else 1 - at % 2]
        lines.append(",".join(map(str, [*cells, *([at] if ids else []), *([at // 2] if group else [])])))
    return "\n".join(lines).encode()


GOOD, POOR = predictions(40), predictions(250)  # an accuracy of 0.92 and 0.5


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
        self.evaluate(made, file, *flags, **options)
        if promoted:
            assert self.caller.post(f"{self.path}/versions/{made.version_id}/promote").status_code == 200
        return made

    def evaluate(self, version: Version, file: str | bytes, *flags: str, **options: str) -> None:
        """Evaluate a version on a file or its content."""
        content = file if isinstance(file, bytes) else (FILES / f"{file}.csv").read_bytes()
        flags += tuple(f"--{name.replace('_', '-')}={value}" for name, value in options.items())
        with NamedTemporaryFile(suffix=".csv") as predictions:
            Path(predictions.name).write_bytes(content)
            call_command("evaluate", self.model.pk, version.version_id, predictions.name, *flags, stdout=io.StringIO())

    def report(self, version: Version, **body: Any) -> None:
        """Report metrics of the test split of a version."""
        path = f"{self.path}/versions/{version.version_id}/snapshots"
        answer = self.caller.post(path, {"dataset_split": "test", **body})
        assert answer.status_code == 201, answer.content

    def judge(self, *rules: dict[str, Any], **required: Any) -> Any:
        """Return the verdict on the newest version."""
        answer = self.caller.post(f"{self.path}/performance/gate", {**required, "rules": [*rules]})
        assert answer.status_code == 200, answer.content
        return answer.json()

    def warnings(self, version_id: str) -> list[dict[str, str]]:
        """Return the warnings of a version's newest snapshot."""
        report = self.caller.get(f"{self.path}/performance/report", {"version_id": version_id})
        assert report.status_code == 200, report.content
        found: list[dict[str, str]] = report.json()["warnings"]
        return found


def statuses(verdict: Any) -> list[str]:
    """Return the status of each rule."""
    return [rule["status"] for rule in verdict["rules"]]
