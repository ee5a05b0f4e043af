"""What `manage.py doctor` finds. This module needs no settings, as they may be what is wrong."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: its subject, how bad it is, what was found and what to do."""

    subject: str
    level: Level
    message: str
    hint: str = ""


def as_text(findings: Iterable[Finding]) -> str:
    """Return one line for each finding."""
    return "\n".join(f"{each.level:<8} {each.subject:<11} {each.message} {each.hint}".rstrip() for each in findings)


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a JSON list."""
    return json.dumps([asdict(each) for each in findings], indent=2, ensure_ascii=False)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 1 if there is an error, else 0."""
    return int(any(each.level == "error" for each in findings))
