"""Verdicts from the rows of snapshots, and the JSON of those that is kept, so that nothing is judged twice.

Each request reads the caller's rights, the policy and the rows of the snapshots anew. The JSON of a verdict is kept
only if the verdict follows from the policy and the rows alone. They are its key: another policy, promotion, snapshot or
stored comparison is another key. So an entry is never out of date.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from models_registry import task_types
from models_registry.db.prepared import Row
from performance.comparisons.services import Compare
from performance.gates.gate_input import Baseline, GateInput
from performance.gates.policy import Policy
from performance.gates.policy_snapshots import PolicySnapshots, VersionRef
from performance.gates.snapshot_rows import may_be_paired, newest_rows, text_length
from performance.gates.verdict import StoredPolicy, Verdict, judge
from performance.gates.verdict_json import ANY_TIME, VerdictJSON, encode_verdict

MAX_TEXT = 10_000  # characters of a row: details of many classes would take much memory
MAX_KEPT = 128  # verdicts in a process


class Question(NamedTuple):
    """What is judged, and by what. `promoted` is the version that limits compare with, unless they name another."""

    policy: Policy | None
    stored: StoredPolicy | None
    task_type: str
    model_id: str
    version: VersionRef
    promoted: VersionRef | None

    def read_rows(self) -> list[Row]:
        """Read the newest snapshots of both versions. There is no SQL statement without a policy."""
        if self.policy is None:
            return []
        promoted = self.promoted.pk if self.promoted else None
        return newest_rows(self.policy, task_types.get(self.task_type), self.version.pk, promoted)


def find_verdict(question: Question, rows: Iterable[Row], compare: Compare | None, judged_at: datetime) -> Verdict:
    """Return the verdict that follows from the rows of the snapshots of both versions.

    If a rule asks for confidence in a difference, and the examples of both snapshots have never been compared,
    `compare` compares them now; with `None` they are not compared.
    """
    policy, stored, name, model_id, version, baseline = question
    task_type = task_types.get(name)
    promoted = Baseline(baseline.version_id, role=baseline.role) if baseline else Baseline(None)
    if policy is None:
        gate_input = GateInput(model_id, version.version_id, "", None, promoted)
        return judge(None, task_type, gate_input, judged_at=judged_at)
    found = PolicySnapshots(policy, task_type, model_id, version, baseline, rows)
    gate_input = GateInput(
        model_id,
        version.version_id,
        policy.dataset_split,
        found.measured(version),
        found.compared(promoted, baseline, policy.promoted_differences, compare),
        baselines=found.baselines(promoted, compare),
        dataset=policy.dataset,
        datasets=found.datasets(),
    )
    return judge(policy, task_type, gate_input, judged_at=judged_at, stored=stored)


def find_json(question: Question, rows: Sequence[Row], compare: Compare | None, judged_at: datetime) -> VerdictJSON:
    """Return the JSON of the verdict that `find_verdict` returns. It is judged only if the JSON is not kept."""
    if question.policy is not None and _follows_from_rows(question, question.policy, rows):
        return _known_json(question, tuple(rows[0]), tuple([tuple(row.values()) for row in rows]))
    return encode_verdict(find_verdict(question, rows, compare, judged_at))


@lru_cache(maxsize=MAX_KEPT)
def _known_json(question: Question, columns: tuple[str, ...], rows: tuple[tuple[object, ...], ...]) -> VerdictJSON:
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return encode_verdict(find_verdict(question, found, None, ANY_TIME))


def _follows_from_rows(question: Question, policy: Policy, rows: Sequence[Row]) -> bool:
    """Return whether the verdict follows from the rows alone, at any time, and the rows are short enough to be kept.

    The time matters to a maximum age, and other rows to slices, to other versions and to a missing snapshot. A pair
    that is not stored may be compared at any moment.
    """
    return (
        policy.compares_with_promoted_only
        and policy.requirements.max_age_days is None
        and len(rows) == (2 if question.promoted else 1)
        and not (policy.difference_metrics and may_be_paired(rows))
        and max(map(text_length, rows)) <= MAX_TEXT
    )
