"""Parse YAML from untrusted callers as `strict_json` parses JSON."""

import re
from typing import Any

import yaml

from models_registry.api.strict_json import TOO_DEEP, check_document


def parse_yaml(encoded: bytes | str) -> Any:
    """Return the document. Raises `ValueError` with the reason, also for an alias, which may stand for a whole tree."""
    try:
        document = yaml.load(encoded, _StrictYAMLLoader)  # noqa: S506  # a SafeLoader
        check_document(document)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return document


class _StrictYAMLLoader(yaml.SafeLoader):
    """Reads YAML as this service reads JSON: no repeated keys, timestamps stay text, and `1e5` is a number."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it holds an alias; write the value again instead")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise ValueError(f"a key is repeated{node.start_mark}")
        return mapping


# YAML 1.1 requires a decimal point and a sign in the exponent; JSON does not.
_StrictYAMLLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?[eE][-+]?[0-9]+\Z"), list("-0123456789")
)
