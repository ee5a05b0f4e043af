"""Translate statements from DuckDB's dialect to Spark's, with the meaning that they have in DuckDB.

SQLGlot, which does most of it, is imported only when Spark is used.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import Expression

_NUMERIC = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")
_DECIMAL = re.compile(r"DECIMAL\([0-9]+, ?([0-9]+)\)")

# Java accepts "1d" and "0x1p3" as numbers, which DuckDB does not. Spark cannot cast a date.
_STRING_TO_DOUBLE = """
    CASE WHEN CAST({0} AS STRING) RLIKE '[^0-9eE+.\\\\s-]' THEN NULL ELSE TRY_CAST(CAST({0} AS STRING) AS DOUBLE) END
"""

# Java writes 12345678.5 as 1.23456785E7, 1e-5 as 1.0E-5, and nan as NaN.
_FLOAT_TO_STRING = """
    CASE
        WHEN NOT CAST({0} AS STRING) LIKE '%E%'
            THEN replace(replace(CAST({0} AS STRING), 'NaN', 'nan'), 'Infinity', 'inf')
        WHEN abs(CAST(CAST({0} AS STRING) AS DOUBLE)) >= 1e-4 AND abs({0}) < 1e16 THEN regexp_replace(
            regexp_replace(CAST(CAST(CAST({0} AS STRING) AS DECIMAL(38, 20)) AS STRING), '0+$', ''), '[.]$', '.0'
        )
        ELSE concat(
            regexp_replace(substring_index(CAST({0} AS STRING), 'E', 1), '[.]0$', ''),
            CASE WHEN abs({0}) < 1 THEN 'e-' ELSE 'e+' END,
            format_string('%02d', abs(CAST(substring_index(CAST({0} AS STRING), 'E', -1) AS INT)))
        )
    END
"""

# Java writes a decimal of 0.00000000 as 0E-8.
_DECIMAL_TO_STRING = """
    CASE WHEN CAST({0} AS STRING) LIKE '%E%' THEN concat(
        CASE WHEN {0} < 0 THEN '-0.' ELSE '0.' END,
        lpad(regexp_replace(substring_index(CAST({0} AS STRING), 'E', 1), '[-.]', ''), {scale}, '0')
    ) ELSE CAST({0} AS STRING) END
"""


def to_spark_sql(statement: str, types: Mapping[str, str]) -> str:
    """Return a statement in Spark's dialect. `types` are DuckDB's names of the columns' types."""
    from sqlglot import expressions, parse_one

    def replaced(node: "Expression") -> "Expression":
        """Replace a cast of a column to a number or a text by one that gives what DuckDB gives."""
        if not (isinstance(node, expressions.Cast) and isinstance(node.this, expressions.Column)):
            return node
        is_text = node.to.this in expressions.DataType.TEXT_TYPES
        template = _text_template(types.get(node.this.name, "")) if is_text else None
        if not is_text and isinstance(node, expressions.TryCast):
            template = _number_template(types.get(node.this.name, "DOUBLE"))
        return parse_one(template.replace("{0}", node.this.sql("spark")), read="spark") if template else node

    return str(parse_one(statement, read="duckdb").transform(replaced).sql("spark"))


def _number_template(kind: str) -> str | None:
    return None if kind.startswith(_NUMERIC) else _STRING_TO_DOUBLE


def _text_template(kind: str) -> str | None:
    if kind in {"FLOAT", "DOUBLE"}:
        return _FLOAT_TO_STRING
    decimal = _DECIMAL.fullmatch(kind)
    return _DECIMAL_TO_STRING.replace("{scale}", decimal[1]) if decimal else None
