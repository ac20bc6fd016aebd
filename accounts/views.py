"""``GET /me``."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import caller
from accounts.cognito import Identity
from accounts.models import ApiKey


class MeSerializer(serializers.Serializer[dict[str, object]]):
    """Who the token says you are."""

    id = serializers.CharField(help_text="Cognito's sub.")
    email = serializers.EmailField(allow_null=True, help_text="Null until an ID token has told it.")
    token_use = serializers.ChoiceField(
        choices=["id", "access", "key"], help_text="Which kind of token was sent, or `key`."
    )
    quota = serializers.JSONField(allow_null=True, help_text="What you may use. Null: no limit is set.")


class MeView(APIView):
    """``GET /me``."""

    @extend_schema(responses=MeSerializer, operation_id="readMe", summary="Who am I?", tags=["account"])
    def get(self, request: Request) -> Response:
        """Who the token says you are, and what your quota is."""
        user, identity = caller(request), cast(Identity | ApiKey, request.auth)
        return Response(
            {
                "id": user.pk,
                "email": user.email or None,
                "token_use": identity.token_use,
                "quota": None,
            }
        )
