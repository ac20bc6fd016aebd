"""``infrastructure.yaml`` as CloudFormation reads it: short forms such as ``!Ref`` are written out."""

import functools
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PATH = ROOT / "infrastructure.yaml"


class _Loader(yaml.SafeLoader):
    pass


def _written_out(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _written_out)


@functools.cache
def template() -> dict[str, Any]:
    return yaml.load(PATH.read_text(encoding="utf-8"), _Loader)


def resources(kind: str = "") -> dict[str, Any]:
    """The resources of a type, or all, by name."""
    return {name: one for name, one in template()["Resources"].items() if kind in ("", one["Type"])}


def properties(name: str) -> dict[str, Any]:
    return template()["Resources"][name]["Properties"]


def statements(role: str) -> list[dict[str, Any]]:
    """The statements of a role's own policies."""
    return [
        statement
        for policy in properties(role).get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def actions(role: str, *, resource: str) -> set[str]:
    """What a role may do to what is named so in the template."""
    found = set()
    for statement in statements(role):
        if statement["Effect"] == "Allow" and resource in _names(statement["Resource"]):
            found |= set(_listed(statement["Action"]))
    return found


def _names(resource: Any) -> set[str]:
    found = set()
    for one in _listed(resource):
        match one:
            case {"Fn::GetAtt": [name, *_]} | {"Ref": name}:
                found.add(name)
            case {"Fn::Sub": str(text)}:
                found.add(text)
            case str(text):
                found.add(text)
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
