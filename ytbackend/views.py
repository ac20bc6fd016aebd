"""The addresses that belong to no app: what this is, whether it lives, and who is asking."""

from typing import Any, cast

from django.conf import settings
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from accounts.authentication import caller
from accounts.cognito import Identity
from accounts.models import ApiKey
from accounts.operations import extend_schema
from accounts.staff import IsStaff
from accounts.strict import QuerySerializer, SwitchField
from videos import quotas
from videos.deadline import Deadline
from videos.finding import Verdict
from videos.models import Breaker
from ytbackend import doctor

# API Gateway waits for 29 s (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html), and what is
# begun in time may take 13 s more: the look at the clocks of a database and a queue that do not answer.
DEEP_SECONDS = 15


class RootSerializer(serializers.Serializer[dict[str, str]]):
    """What this service is."""

    name = serializers.CharField()
    version = serializers.CharField()
    docs = serializers.URLField()
    schema = serializers.URLField()


class SourceHealthSerializer(serializers.Serializer[dict[str, Any]]):
    """Whether YouTube answers this service."""

    status = serializers.ChoiceField(choices=["ok", "unavailable"])
    since = serializers.DateTimeField(allow_null=True, help_text="When it stopped answering.")
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When it is asked again; videos wait for that.")


class FindingSerializer(serializers.Serializer[dict[str, Any]]):
    """One thing that was looked at."""

    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["ok", "warning", "failed"])
    detail = serializers.CharField(help_text="What was found, and what to do about it.")


class HealthSerializer(serializers.Serializer[dict[str, Any]]):
    """How the service is."""

    status = serializers.ChoiceField(
        choices=["ok", "degraded"], help_text="`degraded`: links are accepted, but wait for something."
    )
    version = serializers.CharField()
    youtube = SourceHealthSerializer()
    findings = FindingSerializer(many=True, required=False, help_text="Of a deep look: everything, one by one.")


class OpenView(APIView):
    """Needs no token."""

    authentication_classes = ()
    permission_classes = ()


class RootView(OpenView):
    """``GET /``."""

    @extend_schema(responses=RootSerializer, operation_id="readRoot", summary="What this is", tags=["service"])
    def get(self, request: Request) -> Response:
        """The service's name and version, and where its documentation is."""
        return Response(
            {
                "name": "YouTube transcripts",
                "version": settings.VERSION,
                "docs": reverse("docs", request=request),
                "schema": reverse("schema", request=request),
            }
        )


class HealthQuery(QuerySerializer):
    """The parameter of ``GET /health``."""

    deep = SwitchField(default=False, help_text="Look at everything. For staff: the pool's group `staff`.")


class HealthView(APIView):
    """``GET /health``: open to all, but for a deep look."""

    @property
    def _is_deep(self) -> bool:
        request = getattr(self, "request", None)  # the schema is made without one
        return request is not None and bool(SwitchField.TRUE_VALUES.intersection(request.GET.getlist("deep")))

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Nobody is looked at who asks for what is open; so a token that has expired does no harm there."""
        return super().get_authenticators() if self._is_deep else []

    def get_permissions(self) -> list[BasePermission]:
        """A deep look asks everything, and tells what a stranger need not know."""
        return [IsStaff()] if self._is_deep else []

    @extend_schema(
        parameters=[HealthQuery],
        auth=[{}, {"cognito": []}],  # security objects, as OpenAPI has them
        responses={200: HealthSerializer, 403: OpenApiResponse(None, "A deep look is for staff.")},
        operation_id="readHealth",
        summary="Is it alive?",
        tags=["service"],
    )
    def get(self, request: Request) -> Response:
        """Answers as long as process and database do, and says whether YouTube does. 503 without the database.

        With `deep=1` it also tries queue and storage, and tells what a deployment lacks: for staff alone.
        """
        wanted = HealthQuery(data=request.query_params).parameters()
        breaker = Breaker.objects.youtube()
        youtube = {
            "status": "unavailable" if breaker.is_open else "ok",
            "since": breaker.opened_at,
            "retry_at": breaker.retry_at,
        }
        answer: dict[str, Any] = {"status": "degraded" if breaker.is_open else "ok", "version": settings.VERSION}
        answer["youtube"] = youtube
        if wanted["deep"]:
            found = list(doctor.examine(deadline=Deadline(DEEP_SECONDS)))
            answer["findings"] = [
                {"name": one.name, "status": one.verdict, "detail": f"{one.detail}. {one.advice}".strip()}
                for one in found
            ]
            if any(one.verdict == Verdict.FAILED for one in found):
                answer["status"] = "degraded"
        return Response(answer)


class AllowanceSerializer(serializers.Serializer[quotas.Allowance]):
    """How one kind stands, in its unit."""

    limit = serializers.IntegerField(allow_null=True, help_text="Null: there is none.")
    used = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="Set aside for what is in work.")
    remaining = serializers.IntegerField(allow_null=True, help_text="Null: there is no limit.")
    renews_at = serializers.DateTimeField(allow_null=True, help_text="When `used` begins at 0 again. Null: never.")


class QuotaSerializer(serializers.Serializer[quotas.Standing]):
    """What you may use."""

    submissions = AllowanceSerializer(help_text="Links and retries that start work, a day (UTC).")
    speech = AllowanceSerializer(help_text="Milliseconds that are listened to, a month (UTC).")
    videos = AllowanceSerializer(help_text="Videos that you keep.")
    bytes = AllowanceSerializer(help_text="Bytes that their files take.")


class MeSerializer(serializers.Serializer[dict[str, object]]):
    """Who the token says you are."""

    id = serializers.CharField(help_text="Cognito's sub.")
    email = serializers.EmailField(allow_null=True, help_text="Null until an ID token has told it.")
    token_use = serializers.ChoiceField(
        choices=["id", "access", "key"], help_text="Which kind of token was sent, or `key`."
    )
    quota = QuotaSerializer()


class MeView(APIView):
    """``GET /me``."""

    @extend_schema(responses=MeSerializer, operation_id="readMe", summary="Who am I?", tags=["account"])
    def get(self, request: Request) -> Response:
        """Who the token says you are, and what is left of your quota."""
        user, identity = caller(request), cast(Identity | ApiKey, request.auth)
        return Response(
            {
                "id": user.pk,
                "email": user.email or None,
                "token_use": identity.token_use,
                "quota": QuotaSerializer(quotas.standing(user.pk)).data,
            }
        )
