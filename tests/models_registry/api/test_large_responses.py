"""Large documents, which are encoded part by part."""

import math
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.api import etags
from models_registry.api.etags import json_response, large_json_response

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=40)
CLASSES = {f"class {number}": {"precision": 0.5, "recall": 0.5, "f1_score": 0.5} for number in range(1000)}
ROWS = [[1] * 100] * 100


@given(DOCUMENTS, st.integers(0, 20))
def test_a_document_in_parts_is_the_same_as_at_once(document: object, piece_size: int) -> None:
    with patch.object(etags, "PIECE_SIZE", piece_size):
        whole, in_parts = json_response(document), large_json_response(document)
    assert in_parts.content == whole.content
    assert in_parts.headers == whole.headers


@pytest.mark.parametrize("piece_size", [0, 100])
def test_a_document_in_parts_has_no_line_separators_and_only_finite_numbers(piece_size: int) -> None:
    with patch.object(etags, "PIECE_SIZE", piece_size):
        assert large_json_response({"\u2028": ["\u2029"]}).content == rb'{"\u2028":["\u2029"]}'
        with pytest.raises(ValueError, match="not JSON compliant"):
            large_json_response({"rows": [[1.0], [math.inf]]})


@pytest.mark.parametrize(
    ("document", "pieces"),
    [
        ({"id": "a", "metrics": {"accuracy": 0.9}, "classes": CLASSES}, 1),
        ({"curve": [[0.5, 0.5]] * 200}, 1),
        (
            {"id": "a", "classes": CLASSES, "matrix": {"labels": ["a"] * 100, "rows": [[1] * 100] * 100}},
            3 + 2 + 2 + 101,
        ),
    ],
)
def test_only_a_large_document_is_encoded_in_pieces_and_only_where_it_is_large(document: object, pieces: int) -> None:
    with patch.object(etags, "_encode", side_effect=etags._encode) as encode:
        large_json_response(document)
    assert encode.call_count == pieces
