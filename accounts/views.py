"""``POST /me/sign-out``."""

from typing import cast

from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import sign_out
from accounts.authentication import caller
from accounts.cognito import Identity
from accounts.operations import extend_schema
from accounts.permissions import NeedsToken
from accounts.strict import StrictSerializer, TruthField


class SignOutSerializer(StrictSerializer):
    """How far to sign out; an empty body is enough."""

    everywhere = TruthField(
        default=False,
        help_text="Every sign-in of yours until now, on all devices, and all your API keys; else only this token's.",
    )


class NoSignIn(exceptions.APIException):
    """409: the pool tells no sign-in in its tokens, so that one alone cannot be ended."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "no_sign_in"
    default_detail = 'This token does not tell its sign-in. Send {"everywhere": true} to end all of them.'


class SignOutView(APIView):
    """``POST /me/sign-out``."""

    permission_classes = (NeedsToken,)  # what is no sign-in cannot be signed out

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
        """Refuses all tokens of this sign-in from now on, or of all sign-ins; then your API keys are deleted, too.

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
