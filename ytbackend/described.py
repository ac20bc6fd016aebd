"""What the OpenAPI document says beyond the views: its settings, and hooks that they name."""

from typing import Any

# https://drf-spectacular.readthedocs.io/en/latest/settings.html
DOCUMENT = {
    "TITLE": "YouTube transcripts",
    "DESCRIPTION": "From a YouTube link to a transcript that can be read, exported and deleted.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "videos.models.Video.Status",
        "ModeEnum": "videos.models.Video.Mode",
        "SourceEnum": "videos.models.Video.Source",
        "StageEnum": "videos.models.Video.Stage",
    },
    "PREPROCESSING_HOOKS": ["accounts.operations.describe_operations"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ytbackend.api.describe_problems",
        "ytbackend.described.describe_empty_parameters",
    ],
}


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
