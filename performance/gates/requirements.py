"""What a policy requires of the snapshots that it judges, whatever their values are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from performance.gates.measurement import Measurement
from performance.metrics.comparison import DIGEST_LENGTH, OptionValue, describe_option


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements. A rule whose snapshot does not meet them is `missing`.

    `evaluation` pins options of the evaluation, such as the threshold. `source` is `computed`, or `None` for any.
    """

    evaluation: Mapping[str, OptionValue] = field(default_factory=dict)
    source: str | None = None
    same_dataset: bool = False
    max_age_days: int | None = None

    def for_options(self, names: Collection[str]) -> "Requirements":
        """Return the requirements without pins of options that a task type does not have."""
        return replace(self, evaluation={name: value for name, value in self.evaluation.items() if name in names})

    def problem(self, measured: Measurement, title: str) -> str | None:
        """Return why a snapshot must not be used, `None` if it may. `title` names its version."""
        if self.source is not None and measured.source != self.source:
            return f"The metrics of {title} are {measured.source}, and the policy asks for {self.source} ones."
        for name, wanted in self.evaluation.items():
            asked = f"the policy asks for an evaluation {describe_option(name, wanted)}"
            if name not in measured.metrics.options:
                return f"The {name.replace('_', ' ')} of the evaluation of {title} is unknown, and {asked}."
            if measured.metrics.options[name] != wanted:
                return f"{title} was evaluated {describe_option(name, measured.metrics.options[name])}, and {asked}."
        return None

    def age_problem(self, measured: Measurement, judged_at: datetime) -> str | None:
        """Return why a snapshot is too old, `None` if it is not."""
        if self.max_age_days is None:
            return None
        days = "day" if self.max_age_days == 1 else f"{self.max_age_days} days"
        asked = f"the policy asks for an evaluation of the last {days}"
        if measured.evaluated_at is None:
            return f"When {measured.version_id} was evaluated is unknown, and {asked}."
        if judged_at - measured.evaluated_at <= timedelta(days=self.max_age_days):
            return None
        return f"{measured.version_id} was evaluated at {measured.evaluated_at_text}, and {asked}."

    def dataset_problem(self, measured: Measurement, baseline: Measurement, title: str) -> str | None:
        """Say how the examples of two snapshots differ that are not known to be the same, `None` if they may."""
        if not self.same_dataset:
            return None
        ours, theirs = map(_examples, (measured, baseline))
        if None not in (measured.digest, baseline.digest) and measured.has_same_examples(baseline) is None:
            return (
                f"{measured.version_id} and {title} were evaluated on {ours}. Whether these are the same rows is "
                "unknown, and the policy asks for the same examples."
            )
        return (
            f"{measured.version_id} was evaluated on {ours}, {title} on {theirs}, and the policy asks for the same "
            "examples."
        )


def _examples(measured: Measurement) -> str:
    found = measured.examples
    text = "unknown examples" if found.digest is None else f"the examples {found.digest[:DIGEST_LENGTH]}"
    if name := " ".join(filter(None, (measured.dataset, measured.dataset_version))):
        text += f" of {name}"
    missing = found.missing_fraction
    return f"{text} without the {100 * missing:.6g}% that have no prediction" if missing else text
