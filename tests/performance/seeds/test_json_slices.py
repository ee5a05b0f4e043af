"""Cutting a JSON document into slices."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from models_registry.api.strict_json import parse_json
from performance.seeds.json_slices import split_array

TEXTS = st.sampled_from(["models", '"models": [', "]}", "a,b", "\\", '"', "{", "[", "ü", "\u2028"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)
HEADS = st.dictionaries(TEXTS, VALUES, max_size=4)
SPACED = [{}, {"indent": 1}, {"separators": (",", ":")}]


class TestCutting:
    @given(
        st.dictionaries(TEXTS, VALUES, max_size=4), st.none() | st.lists(VALUES, max_size=4), st.sampled_from(SPACED)
    )
    def test_what_is_left_and_the_pieces_make_up_the_document(self, head: Any, models: Any, spaced: Any) -> None:
        document = {**head, **({} if models is None else {"models": models})}
        encoded = json.dumps(document, **spaced).encode()

        left, pieces = split_array(encoded, "models")

        items = [json.loads(encoded[start:end]) for start, end in pieces]
        if isinstance(document.get("models"), list):
            assert json.loads(left) == {**document, "models": []}
            assert items == document["models"]
        else:
            assert (left, items) == (encoded, [])

    @given(st.lists(st.sampled_from('{}[],:" \\amodels1'), max_size=40).map("".join), st.integers(0, 60))
    @example('"models":[1,,2]', 1)
    @example('"models":[,]', 1)
    @example('"models":[1}', 1)
    @example('"models":[1],"models":[2]', 1)
    def test_what_is_no_json_does_not_become_any(self, text: str, at: int) -> None:
        good = '{"models": [{"a": [1, 2]}, "x"], "users": []}'
        encoded = (good[:at] + text + good[at:]).encode()
        try:
            expected: Any = parse_json(encoded)
        except ValueError:
            expected = None

        left, pieces = split_array(encoded, "models")
        try:
            found: Any = parse_json(left)
            if pieces:
                found["models"] = [parse_json(encoded[start:end]) for start, end in pieces]
        except ValueError:
            found = None

        assert found == expected
