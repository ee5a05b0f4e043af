"""The layout of the OpenAPI document, which people read as well."""

from typing import Any

from drf_spectacular.generators import SchemaGenerator
from yaml import SequenceNode
from yaml.representer import SafeRepresenter


class InlineList(list[Any]):
    """A list that YAML shows on one line."""


class CompactSchemaGenerator(SchemaGenerator):
    """Shows lists of names and numbers, such as required fields, on one line each: there are hundreds of them."""

    def get_schema(self, *args: Any, **kwargs: Any) -> Any:
        """Return the document."""
        return inline_lists(super().get_schema(*args, **kwargs))  # type: ignore[no-untyped-call]


def share_security(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """State once, for the whole document, that operations need a token. Those that differ say so themselves."""
    shared: list[dict[str, list[str]]] = [{"bearer": []}]
    for operations in result["paths"].values():
        for operation in operations.values():
            if operation["security"] == shared:
                del operation["security"]
    return {**result, "security": shared}


def inline_lists(node: Any) -> Any:
    """Return a part of the document whose lists without objects are shown on one line."""
    if isinstance(node, dict):
        return {name: inline_lists(inner) for name, inner in node.items()}
    if not isinstance(node, list):
        return node
    inner = [inline_lists(each) for each in node]
    return inner if any(isinstance(each, dict | list) for each in inner) else InlineList(inner)


def _represent_inline(dumper: SafeRepresenter, data: InlineList) -> SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


SafeRepresenter.add_representer(InlineList, _represent_inline)
