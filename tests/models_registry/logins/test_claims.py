"""The claims about a person."""

import pytest

from models_registry.logins.claims import about_person


def test_claims_of_both_answers_count_if_they_are_about_one_person() -> None:
    token = {"sub": "s-1", "groups": ["a"], "name": 7}
    info = {"sub": "s-1", "groups": ["b"], "email": "n@example.com", "given_name": "Nina"}

    assert about_person({"id_token": token, "userinfo": info}) == {"sub": "s-1", "groups": ["a"], "given_name": "Nina"}


@pytest.mark.parametrize(
    ("token", "info"),
    [
        ({"sub": "s-1"}, {"sub": "s-2"}),
        ({"sub": "s-1"}, {"email": "of.somebody@example.com"}),
        ({"sub": "s-1"}, None),
        (None, {"sub": "s-1"}),
        (None, None),
        ({"sub": None}, {"sub": None}),
        ({"sub": 7}, {"sub": 7}),
        ({"sub": ["s-1"]}, {"sub": ["s-1"]}),
        ({"sub": ""}, {"sub": ""}),
        ({"sub": "s" * 192}, {"sub": "s" * 192}),
        ({"sub": "s-1", "name": "a\0b"}, {"sub": "s-1"}),
    ],
)
def test_answers_that_are_not_clearly_about_one_person_are_refused(token: object, info: object) -> None:
    with pytest.raises(ValueError, match=r"about the same person|subject is no text"):
        about_person({"id_token": token, "userinfo": info})
