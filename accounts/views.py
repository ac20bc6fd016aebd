"""``GET /me`` and ``POST /me/sign-out``."""

from collections.abc import Mapping
from typing import Any, cast

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import sign_out
from accounts.authentication import CognitoAuthentication, caller
from accounts.cognito import Identity


class MeSerializer(serializers.Serializer[dict[str, object]]):
    """Who the token says you are."""

    id = serializers.CharField(help_text="Cognito's sub.")
    email = serializers.EmailField(allow_null=True, help_text="Null until an ID token has told it.")
    token_use = serializers.ChoiceField(choices=["id", "access"], help_text="Which kind of token was sent.")
    quota = serializers.JSONField(allow_null=True, help_text="What you may use. Null: no limit is set.")


class MeView(APIView):
    """``GET /me``."""

    @extend_schema(responses=MeSerializer, operation_id="readMe", summary="Who am I?", tags=["account"])
    def get(self, request: Request) -> Response:
        """Who the token says you are, and what your quota is."""
        user, identity = caller(request), cast(Identity, request.auth)
        return Response(
            {
                "id": user.pk,
                "email": user.email or None,
                "token_use": identity.token_use,
                "quota": None,
            }
        )


class SignOutSerializer(serializers.Serializer[dict[str, object]]):
    """How far to sign out; an empty body is enough."""

    default_error_messages = {"invalid": "The body must be a JSON object, not {datatype}."}

    everywhere = serializers.BooleanField(
        default=False, help_text="Every sign-in of yours until now, on all devices; otherwise only this token's."
    )

    def to_internal_value(self, data: Any) -> Any:
        """A misspelled name must not pass for the smaller sign-out."""
        if isinstance(data, Mapping) and (unknown := data.keys() - {"everywhere"}):
            raise serializers.ValidationError(
                {str(name)[:50]: ["This name is not known. Known are: everywhere."] for name in sorted(unknown)}
            )
        return super().to_internal_value(data)


class NoSignIn(exceptions.APIException):
    """409: the pool tells no sign-in in its tokens, so that one alone cannot be ended."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "no_sign_in"
    default_detail = 'This token does not tell its sign-in. Send {"everywhere": true} to end all of them.'


class SignOutView(APIView):
    """``POST /me/sign-out``."""

    authentication_classes = (CognitoAuthentication,)  # what is no sign-in cannot be signed out

    @extend_schema(
        request=SignOutSerializer,
        responses={
            204: OpenApiResponse(None, "Signed out."),
            409: OpenApiResponse(None, "The token does not tell its sign-in."),
        },
        operation_id="signOut",
        summary="Sign out",
        tags=["account"],
    )
    def post(self, request: Request) -> Response:
        """Refuses all tokens of this sign-in from now on, or of all sign-ins.

        Call it beside Cognito's RevokeToken or GlobalSignOut, which this service does not hear of.
        """
        wanted = SignOutSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user, identity = caller(request), cast(Identity, request.auth)
        if wanted.validated_data["everywhere"]:
            sign_out.everywhere(user, also=identity.auth_time)
        elif identity.origin_jti:
            sign_out.one(user, identity.origin_jti)
        else:
            raise NoSignIn
        return Response(status=status.HTTP_204_NO_CONTENT)
