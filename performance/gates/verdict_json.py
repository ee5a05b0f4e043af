"""Verdicts as JSON with an ETag that does not depend on the time."""

from datetime import UTC, datetime
from typing import NamedTuple

from models_registry.api.etags import encode_json, etag_of
from models_registry.api.times import utc_text
from performance.gates.verdict import Verdict

ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # of a verdict whose time does not matter


class VerdictJSON(NamedTuple):
    """The JSON of a verdict before and after its time, and the ETag, which does not depend on the time."""

    before: bytes
    after: bytes
    etag: str

    def body(self, judged_at: datetime) -> bytes:
        """Return the JSON of the verdict at a time."""
        return b"".join((self.before, _time_member(judged_at), self.after))


def encode_verdict(verdict: Verdict) -> VerdictJSON:
    """Return the JSON of a verdict's document."""
    # Quotes are escaped inside of strings: nothing else looks like this member.
    before, _, after = encode_json(verdict.as_document()).partition(_time_member(verdict.judged_at))
    return VerdictJSON(before, after, etag_of(before + after))


def _time_member(judged_at: datetime) -> bytes:
    return f'"judged_at":"{utc_text(judged_at)}"'.encode()
