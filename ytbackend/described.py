"""What the OpenAPI document says beyond the views: hooks that ``SPECTACULAR_SETTINGS`` names."""

from typing import Any


def describe_empty_parameters(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A parameter that is empty, as forms send it, is one that is left out: every query parameter may be."""
    for operations in result["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    parameter["allowEmptyValue"] = True
                    parameter["schema"].pop("minLength", None)
                    if "enum" in parameter["schema"]:
                        parameter["schema"]["enum"] = [*parameter["schema"]["enum"], ""]
    return result
