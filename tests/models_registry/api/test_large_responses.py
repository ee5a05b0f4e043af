"""Large documents, which are encoded part by part."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.api.etags import json_response, large_json_response

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=40)


@given(DOCUMENTS)
def test_a_document_in_parts_is_the_same_as_at_once(document: object) -> None:
    whole, in_parts = json_response(document), large_json_response(document)
    assert in_parts.content == whole.content
    assert in_parts.headers == whole.headers


def test_a_document_in_parts_has_no_line_separators_and_only_finite_numbers() -> None:
    assert large_json_response({"\u2028": ["\u2029"]}).content == rb'{"\u2028":["\u2029"]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        large_json_response({"rows": [[1.0], [math.inf]]})
