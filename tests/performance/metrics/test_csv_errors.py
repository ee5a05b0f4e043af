"""Unreadable files: the error names the row and the reason, but not the library."""

from pathlib import Path

import pytest

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.result import UnprocessablePredictionsError

FEWER, MORE = "has fewer cells than the header, which has 2", "has more cells than the header, which has 2"
QUOTE = "has a quote that is never closed, or text after the closing quote"


def refused(folder: Path, *contents: bytes, kind: str = "csv") -> UnprocessablePredictionsError:
    """Return the error of reading files, whose contents are given as bytes."""
    files = [folder / f"{number}.{kind}" for number, _ in enumerate(contents)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    with pytest.raises(UnprocessablePredictionsError) as error:
        read(folder, list(map(str, files)), kind)
    return error.value


def read(folder: Path, files: list[str], kind: str) -> None:
    with DuckDB(folder=folder) as engine:
        (engine.read_csv if kind == "csv" else engine.read_parquet)(files)
        engine.rows("SELECT min(a), max(b) FROM predictions")


@pytest.mark.parametrize(
    ("rows", "row", "reason"),
    [
        (b"x\n", 1, FEWER),
        (b"x,y\nx\n", 2, FEWER),
        (b"x,y\nx,y,z,z\n", 2, MORE),
        (b'x,y\nx,"y\nx,y\n', 2, QUOTE),
        (b'x,y\n"x"z,y\n', 2, QUOTE),
        (b"x,y\nx,\xff\n", 2, "is not in UTF-8"),
        (b"x,y\nx," + b"y" * 3_000_000 + b"\nx,y\n", 2, "is too long"),
        (b'"x\ny",y\nx\n', 2, FEWER),
        (b"x,y\n" * 300_000 + b"x\n", 300_001, FEWER),
        (b"x,y\n" * 3_000_000 + b"x\n" + b"x,y\n" * 100_000, 3_000_001, FEWER),
    ],
)
def test_a_malformed_row_is_reported_with_its_number_and_the_reason(
    tmp_path: Path, rows: bytes, row: int, reason: str
) -> None:
    error = refused(tmp_path, b"a,b\n" + rows)

    assert str(error) == f"The file cannot be read: row {row:,} {reason}."
    assert error.row == row


def test_a_malformed_line_is_reported_if_blank_lines_hide_the_row_number(tmp_path: Path) -> None:
    error = refused(tmp_path, b"a,b\n\nx,y\n\nx\n")

    assert str(error) == f"The file cannot be read: line 5 {FEWER}."
    assert error.row is None


def test_a_malformed_large_file_with_quotes_is_reported_without_row_or_reason(tmp_path: Path) -> None:
    error = refused(tmp_path, b"a,b\n" + b'x,"y"\n' * 1_000_000 + b"x\n")

    assert str(error).startswith("The file cannot be read: it is malformed near line ")
    assert error.row is None


def test_the_malformed_one_of_several_files_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, b"a,b\nx,y\n", b"a,b\nx,y\nx\n")

    assert str(error) == f"The file cannot be read: line 3 of {tmp_path / '1.csv'} {FEWER}."
    assert error.row is None


def test_a_header_that_is_not_utf_8_is_reported(tmp_path: Path) -> None:
    assert "its first line is not a header in UTF-8" in str(refused(tmp_path, b"a,\xff\nx,y\n"))


@pytest.mark.parametrize("rows", [b"x,y\r\nx,y\n", b"x,y\rx,y\n", b"x,y\nx,y\r"])
def test_lines_that_end_in_different_ways_are_reported(tmp_path: Path, rows: bytes) -> None:
    assert "its lines end in different ways" in str(refused(tmp_path, b"a,b\n" + rows))


def test_a_carriage_return_in_a_cell_is_reported_with_what_helps(tmp_path: Path) -> None:
    assert str(refused(tmp_path, b"a,b\nx\ry,2\n3,4\n")) == (
        "The file cannot be read: a carriage return (CR) stands alone, or its lines end in different ways. "
        "Put cells that contain one in quotes, and end each line alike."
    )
    quoted = tmp_path / "quoted.csv"
    quoted.write_bytes(b'a,b\n"x\ry",2\n3,4\n')
    read(tmp_path, [str(quoted)], "csv")


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_an_unreadable_parquet_file_is_reported_without_paths(tmp_path: Path, content: bytes) -> None:
    message = str(refused(tmp_path, content, kind="parquet"))

    assert message.startswith("The file cannot be read: ")
    assert not any(word in message for word in ("Error: ", "'", "0.parquet", str(tmp_path)))
