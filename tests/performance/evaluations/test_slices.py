"""Uploads with slices: from the file to the gate that refuses a promotion, and slices that nobody should name."""

import json
from typing import Any

import pytest
from django.conf import settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from performance.snapshots.models import MetricSnapshot, SnapshotSlice
from tests.api import Caller, refusal
from tests.factories import completed_version
from tests.performance.evaluations.uploads import evaluated, parquet, stored_in, upload

pytestmark = pytest.mark.django_db

MODEL = "/models/mdl-7f3a19bc92"
PENGUINS = settings.BASE_DIR / "fixtures" / "predictions" / "penguins"


@pytest.fixture(autouse=True)
def _own_storage(settings: Any, tmp_path: Any) -> None:
    stored_in(settings, tmp_path)


def sliced(*names: Any) -> str:
    return json.dumps({"slices": names})


def values(user: User, by: str) -> list[str | None]:
    """Return the values of an attribute, as the route of slices lists them."""
    query = {"by": by, "version_id": "ver-001a1", "page_size": 200}
    answer = Caller(user).get(f"{MODEL}/performance/slices", query)
    assert answer.status_code == 200, answer.content
    return [row["value"] for row in answer.json()["results"]]


class TestPenguins:
    """Two of the three models do badly on one island, behind a good average."""

    RULES = [
        {"metric": "accuracy", "operator": ">=", "threshold": 0.8},
        {"metric": "worst_slice.island.accuracy", "operator": ">=", "threshold": 0.8, "min_sample_count": 20},
    ]

    @pytest.fixture
    def measured(self, editor: User, model: RegisteredModel) -> Version:
        """The second version, evaluated with slices by island."""
        version = completed_version(model, number=2)
        done = self.evaluate(editor, version)
        assert done["state"] == "succeeded", done["problem"]
        return version

    def evaluate(self, user: User, version: Version) -> Any:
        file = PENGUINS / f"{version.version_id}-test.csv"
        path = f"{MODEL}/versions/{version.version_id}/evaluations"
        return evaluated(user, file.read_bytes(), path=path, columns=sliced("island"))

    def test_the_bad_island_comes_first(self, editor: User, measured: Version) -> None:
        answer = Caller(editor).get(f"{MODEL}/performance/slices?version_id=ver-00002&by=island")

        rows = answer.json()["results"]
        assert [(row["value"], row["sample_count"]) for row in rows] == [
            ("Dream", 28),
            ("Biscoe", 33),
            ("Torgersen", 8),
        ]
        assert [row["metrics"]["accuracy"] for row in rows] == [pytest.approx(20 / 28), 1, 1]

    def test_the_gate_refuses_to_promote_it_and_lets_a_better_version_pass(
        self, admin: User, editor: User, measured: Version
    ) -> None:
        ada = Caller(admin)
        assert ada.put(f"{MODEL}/gate-policy", {"rules": self.RULES}).status_code == 201

        verdict = ada.get(f"{MODEL}/performance/gate?version_id=ver-00002").json()
        refused = ada.post(f"{MODEL}/versions/ver-00002/promote")

        assert [rule["status"] for rule in verdict["rules"]] == ["passed", "failed"]
        assert refusal(refused) == (409, "gate_failed")
        assert [rule["status"] for rule in refused.json()["verdict"]["rules"]] == ["passed", "failed"]
        assert "(island='Dream', 28 examples)" in refused.json()["verdict"]["rules"][1]["detail"]
        better = completed_version(measured.model, number=3)
        self.evaluate(editor, better)
        assert ada.post(f"{MODEL}/versions/ver-00003/promote").status_code == 200


@pytest.mark.parametrize(
    "names", ["island", [""], [1], [None], [["island"]], ["a\0b"], ["x" * 201], [f"c{at}" for at in range(21)], {}]
)
def test_names_that_no_columns_have_are_refused_before_the_file_is_stored(
    editor: User, model: RegisteredModel, names: Any
) -> None:
    answer = upload(editor, columns=json.dumps({"slices": names}))

    assert refusal(answer) == (400, "invalid_body")
    assert answer.json()["errors"][0]["field"] == "columns"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("city", "There is no column 'city'; there are actual, predicted, C, list, nul."),
        ("c", "There is no column 'c'"),
        ("list", "The column 'list' holds lists or records."),
        ("nul", "A value of the column 'nul' contains a NUL character"),
    ],
)
def test_a_column_without_values_to_slice_by_refuses_the_file(
    editor: User, model: RegisteredModel, name: str, told: str
) -> None:
    table = {"actual": ["a", "b"], "predicted": ["a", "b"], "C": ["x", "y"], "list": [["x"], []], "nul": ["x\0", "y"]}
    done = evaluated(editor, parquet(table), "p.parquet", columns=sliced(name))

    assert done["problem"]["code"] == "unprocessable_predictions"
    assert done["problem"]["detail"].startswith(told)
    assert not MetricSnapshot.objects.filter(source="computed").exists()


def test_a_column_that_comes_twice_refuses_the_file(editor: User, model: RegisteredModel) -> None:
    done = evaluated(editor, b"actual,predicted,c,c\na,a,x,1\nb,b,y,2\n", columns=sliced("c"))

    assert done["problem"]["detail"] == "There are two columns 'c'. Rename one, or leave it out."


def test_a_name_that_comes_twice_counts_once(editor: User, model: RegisteredModel) -> None:
    evaluated(editor, b"actual,predicted,c\na,a,x\nb,b,y\n", columns=sliced("c", "c"))

    assert SnapshotSlice.objects.count() == 2


CELLS: dict[str, tuple[list[Any], list[str]]] = {
    "whole": ([1, 2, 1, None], ["(missing)", "1", "2"]),
    "number": ([1.5, float("nan"), float("nan"), 3.0], ["(missing)", "1.5", "3"]),
    "truth": ([True, False, None, None], ["(missing)", "false", "true"]),
    "blank": (["(missing)", None, " ", ""], ["(missing)"]),
    "long": (["x" * 2000, "x" * 1001, "x" * 1000, "x"], ["x", "x" * 1000]),
    "hostile": (["'; DROP TABLE x", "a\nb", "</b>", "\u202e"], ["'; DROP TABLE x", "</b>", "a\nb", "\u202e"]),
}


def test_values_of_any_kind_are_texts(editor: User, model: RegisteredModel) -> None:
    cells = {name: given for name, (given, _) in CELLS.items()}
    table = {"actual": ["a", "b"] * 2, "predicted": ["a", "b"] * 2, **cells}
    done = evaluated(editor, parquet(table), "p.parquet", columns=sliced(*cells))

    assert done["state"] == "succeeded", done["problem"]
    found = {name: sorted(map(str, values(editor, name))) for name in cells}
    assert found == {name: expected for name, (_, expected) in CELLS.items()}


def test_a_column_may_have_any_name(editor: User, model: RegisteredModel) -> None:
    names = ["a.b", "a\"b'; --", "naïve", "${x}", "%s", "rowid", "a&b=c#d"]
    table = {"actual": ["a", "b"], "predicted": ["a", "b"], **{name: ["x", "y"] for name in names}}
    done = evaluated(editor, parquet(table), "p.parquet", columns=sliced(*names))

    assert done["state"] == "succeeded", done["problem"]
    assert [values(editor, name) for name in names] == [["x", "y"]] * len(names)


def test_the_actual_and_predicted_labels_may_be_sliced_by(editor: User, model: RegisteredModel) -> None:
    done = evaluated(editor, columns=sliced("actual", "predicted"))

    assert done["state"] == "succeeded", done["problem"]
    assert values(editor, "actual") == ["no", "yes"]
    assert values(editor, "predicted") == ["yes", "no"]


def test_an_attribute_that_cannot_be_one_is_refused(editor: User, model: RegisteredModel) -> None:
    for by in ("a\0b", "x" * 201, ""):
        answer = Caller(editor).get(f"{MODEL}/performance/slices", {"by": by, "version_id": "ver-001a1"})
        assert refusal(answer) == (400, "invalid_parameter")
