"""Parse YAML from untrusted callers as `strict_json` parses JSON."""

import re
from collections.abc import Hashable
from math import inf

import yaml

from models_registry.api.strict_json import MAX_DEPTH, TOO_DEEP, JSONValue, check_document


def parse_yaml(encoded: bytes | str, *, max_values: float = inf) -> JSONValue:
    """Return the document. Raises `ValueError` with the reason, also for an alias, which may stand for a whole tree.

    A value takes about 40 microseconds. A document with more than `max_values` is read no further; keys count too.
    """
    try:
        loader = _StrictYAMLLoader(encoded, max_values)
        document: JSONValue = loader.get_single_data()
        check_document(document)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    return document


class _StrictYAMLLoader(yaml.SafeLoader):
    """Reads YAML as this service reads JSON: no repeated keys, timestamps stay text, and `1e5` is a number."""

    def __init__(self, encoded: bytes | str, max_values: float) -> None:
        super().__init__(encoded)
        self.max_values = max_values
        self.values = self.depth = 0

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it holds an alias; write the value again instead")
        self.values += 1
        if self.values > self.max_values:
            raise ValueError(f"it has more than {self.max_values} values and keys")
        if self.depth > MAX_DEPTH:
            raise ValueError(TOO_DEEP)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise ValueError(f"a key is repeated{node.start_mark}")
        return mapping


# YAML 1.1 requires a decimal point and a sign in the exponent; JSON does not.
_StrictYAMLLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?[eE][-+]?[0-9]+\Z"), list("-0123456789")
)
