"""The layout of the OpenAPI document, which people read as well."""

from drf_spectacular.generators import SchemaGenerator
from yaml import MappingNode, SequenceNode
from yaml.representer import SafeRepresenter


class InlineList(list[object]):
    """A list that YAML shows on one line."""


class InlineReference(dict[str, object]):
    """A reference that YAML shows on one line."""


class CompactSchemaGenerator(SchemaGenerator):
    """Shows references, and lists of names and numbers, on one line each: there are thousands of them."""

    def get_schema(self, *args: object, **kwargs: object) -> object:
        """Return the document."""
        return show_inline(super().get_schema(*args, **kwargs))  # type: ignore[no-untyped-call]


def show_inline(node: object) -> object:
    """Return a part of the document whose references and lists without objects are shown on one line."""
    if isinstance(node, dict):
        if node.keys() == {"$ref"}:
            return InlineReference(node)
        return {name: show_inline(inner) for name, inner in node.items()}
    if not isinstance(node, list):
        return node
    inner = [show_inline(each) for each in node]
    return inner if any(isinstance(each, dict | list) for each in inner) else InlineList(inner)


def _represent_list(dumper: SafeRepresenter, data: InlineList) -> SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


def _represent_reference(dumper: SafeRepresenter, data: InlineReference) -> MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)


SafeRepresenter.add_representer(InlineReference, _represent_reference)
SafeRepresenter.add_representer(InlineList, _represent_list)
