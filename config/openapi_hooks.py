"""Hooks that change the OpenAPI document after it is generated: what repeats is shared, what is wrong is mended."""

from collections import Counter
from collections.abc import Iterator

from config.openapi import JSONObject
from performance.gates.gate_input import Operator


def share_security(result: JSONObject, **_: object) -> JSONObject:
    """State once, for the whole document, that operations need a token. Those that differ say so themselves."""
    shared: list[dict[str, list[str]]] = [{"bearer": []}]
    for operations in result["paths"].values():
        for operation in operations.values():
            if operation["security"] == shared:
                del operation["security"]
    return {**result, "security": shared}


def share_parameters(result: JSONObject, **_: object) -> JSONObject:
    """Move parameters that several operations have in common to the components."""
    operations = [operation for path in result["paths"].values() for operation in path.values()]
    counts = Counter(repr(each) for operation in operations for each in operation.get("parameters", ()))
    shared: dict[str, JSONObject] = {}
    for operation in operations:
        for index, parameter in enumerate(operation.get("parameters", ())):
            name = f"{parameter['in']}-{parameter['name']}"
            if counts[repr(parameter)] > 1 and shared.setdefault(name, parameter) == parameter:
                operation["parameters"][index] = {"$ref": f"#/components/parameters/{name}"}
    result["components"]["parameters"] = dict(sorted(shared.items()))
    return result


def allow_null_references(result: JSONObject, **_: object) -> JSONObject:
    """Let a reference that is nullable be null.

    In OpenAPI 3.0, `nullable` has an effect only beside a `type`.
    """
    for schema in _schemas(result["components"]["schemas"]):
        if schema.get("nullable") and "allOf" in schema:
            [reference] = schema.pop("allOf")
            del schema["nullable"]
            schema["oneOf"] = [reference, {"enum": [None]}]
    return result


def join_blank_strings(result: JSONObject, **_: object) -> JSONObject:
    """Describe a string with a pattern that may be empty as one string, not as one of two."""
    for schema in _schemas(result["components"]["schemas"]):
        match schema.get("oneOf"):
            case [{"type": "string", "pattern": pattern} as text, {"type": "string", "maxLength": 0}]:
                del schema["oneOf"]
                schema.update(text, pattern=f"^$|{pattern}")
    return result


def name_operators(result: JSONObject, **_: object) -> JSONObject:
    """Name the operators of gate policies, as generated clients cannot make names of `>=` and the like."""
    for schema in _schemas(result["components"]["schemas"]):
        match schema:
            case {"enum": [*values]} if set(values) - {None} == set(Operator):
                schema["x-enum-varnames"] = [Operator(value).name for value in values if value is not None]
    return result


def drop_enum_ids(result: JSONObject, **_: object) -> JSONObject:
    """Drop the library's marks of enumerations."""
    for schema in _schemas(result):
        schema.pop("x-spec-enum-id", None)
    return result


def _schemas(node: object) -> Iterator[JSONObject]:
    """Yield every mapping in a document."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _schemas(inner)
