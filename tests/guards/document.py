"""The OpenAPI document as the guards walk through it: operations, and what each one takes."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from drf_spectacular.generators import SchemaGenerator


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    described: Mapping[str, Any]
    body: Mapping[str, Any]  # the properties of the body that it accepts, by name
    is_open: bool  # to those without a token

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """Everything that a caller can say: ``path id``, ``query cursor``, ``body url``."""
        found = [f"{parameter['in']} {parameter['name']}" for parameter in self.described.get("parameters", ())]
        return [*found, *(f"body {name}" for name in self.body)]

    @property
    def takes_a_body(self) -> bool:
        return "requestBody" in self.described

    def address(self, path: Mapping[str, str], query: Mapping[str, Any] | None = None) -> str:
        """Where it is, with these values."""
        filled = self.path.format(**{name: quote(value, safe="") for name, value in path.items()})
        return f"{filled}?{urlencode(query, doseq=True)}" if query else filled


@functools.cache
def document() -> Mapping[str, Any]:
    """As ``manage.py spectacular`` generates it, of what the code is now."""
    return SchemaGenerator().get_schema(public=True)


def operations(described: Mapping[str, Any] | None = None) -> list[Operation]:
    """Each operation of the document."""
    return list(_operations(described or document()))


def _operations(described: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            is_open = {} in operation.get("security", [{}])
            yield Operation(method, path, operation, _properties(described, operation), is_open)


def _properties(described: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    found: dict[str, Any] = {}
    for media in content.values():
        schema = resolved(described, media["schema"])
        found |= {name: resolved(described, inner) for name, inner in schema.get("properties", {}).items()}
    return found


def resolved(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, where this refers to another one."""
    if "$ref" not in schema:
        return schema
    found: Any = described
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolved(described, found)


def read_only(described: Mapping[str, Any] | None = None) -> set[str]:
    """The name of every property that some schema calls read-only."""
    described = described or document()
    return {
        name
        for schema in described["components"]["schemas"].values()
        for name, inner in schema.get("properties", {}).items()
        if inner.get("readOnly")
    }
