"""How the OpenAPI document describes the ways to sign in. Imported when it is made, and not by a call of the API."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from accounts.permissions import NeedsToken


class CognitoScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tokens of the user pool."""

    target_class = "accounts.authentication.CognitoAuthentication"
    name = "cognito"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A bearer token."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An ID or access token of the Cognito user pool, with or without `Bearer`.",
        }


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Keys of ``POST /keys``."""

    target_class = "accounts.key_authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]] | list[dict[str, list[Any]]]:
        """Nothing where a key is refused."""
        refused = any(isinstance(permission, NeedsToken) for permission in auto_schema.view.get_permissions())
        return [] if refused else {self.name: []}

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A bearer token, too."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "shri_…",
            "description": "An API key of `POST /keys`, with or without `Bearer`. "
            "GET, HEAD and OPTIONS need its scope `read`, everything else `write`.",
        }
