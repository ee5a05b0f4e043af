"""Documents of verdicts that were stored: whose they are, and the order of their members."""

import json
from collections.abc import Mapping

import pytest

from performance.gates.verdict import Verdict, is_verdict_document, order_document
from tests.performance.gates.stored_documents import FOREIGN, VERDICTS, as_stored


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_a_stored_document_is_in_the_order_of_a_new_one(verdict: Verdict) -> None:
    stored = as_stored(verdict)

    assert is_verdict_document(stored)
    assert json.dumps(order_document(stored)) == json.dumps(verdict.as_document())


def test_the_first_verdicts_are_known_as_such() -> None:
    document = as_stored(VERDICTS["with everything"])
    del document["candidate"], document["baselines"]

    assert is_verdict_document(document)
    ordered = order_document(document)
    assert ordered == document | {"candidate": None, "baselines": []}
    assert [*ordered] == [*VERDICTS["with everything"].as_document()]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_document_of_another_check_is_not_known_as_a_verdict(foreign: Mapping[str, object]) -> None:
    assert not is_verdict_document(foreign)
