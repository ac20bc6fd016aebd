"""Make, list, read and revoke API keys."""

import logging

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from accounts.api_keys import MOST_PER_USER, TooManyKeys
from accounts.authentication import caller
from accounts.identifiers import identifier
from accounts.key_serializers import (
    KeyListQuery,
    KeyPageSerializer,
    KeySerializer,
    MakeKeySerializer,
    NewKeySerializer,
)
from accounts.models import ApiKey
from accounts.operations import extend_schema
from accounts.permissions import NeedsToken

log = logging.getLogger(__name__)

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class KeyLimitReached(APIException):
    """409: no more keys for this user."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "too_many_keys"
    default_detail = f"You have {MOST_PER_USER} keys, the most possible. Delete one first: DELETE /keys/{{id}}."


def own_key(request: Request, key_id: str) -> ApiKey:
    """The caller's key of this id. Raises ``NotFound``, also for another user's and for what is no id."""
    try:
        return ApiKey.objects.for_user(caller(request)).get(pk=identifier(key_id))
    except ApiKey.DoesNotExist as error:
        raise NotFound("You have no key with this id. GET /keys lists yours; ids are UUIDs.") from error


class KeyListView(GenericAPIView[ApiKey]):
    """``GET`` and ``POST /keys``."""

    permission_classes = (NeedsToken,)

    @extend_schema(
        parameters=[KeyListQuery],
        responses=KeyPageSerializer,
        operation_id="listKeys",
        summary="List your API keys",
        tags=["keys"],
    )
    def get(self, request: Request) -> Response:
        """Your keys, newest first, with those that have expired."""
        KeyListQuery(data=request.query_params).parameters()
        page = self.paginate_queryset(ApiKey.objects.for_user(caller(request)).order_by("-created_at", "-id"))
        return self.get_paginated_response(KeySerializer(page, many=True).data)

    @extend_schema(
        request=MakeKeySerializer,
        responses={
            201: OpenApiResponse(NewKeySerializer, "Made; `Location` is where it can be looked at and deleted."),
            409: OpenApiResponse(None, f"You have {MOST_PER_USER} keys."),
        },
        operation_id="makeKey",
        summary="Make an API key",
        tags=["keys"],
    )
    def post(self, request: Request) -> Response:
        """Makes a key for a script. Keep what is in `key`: nobody can show it to you again."""
        wanted = MakeKeySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user = caller(request)
        try:
            key, text = ApiKey.objects.issue(user, **wanted.validated_data)
        except TooManyKeys as error:
            raise KeyLimitReached from error
        log.info("API key %s made by user %s", key.pk, user.pk)
        return Response(
            {**KeySerializer(key).data, "key": text},
            status=status.HTTP_201_CREATED,
            headers={"Location": reverse("key", [key.pk]), "Cache-Control": "no-store"},
        )


class KeyDetailView(APIView):
    """``GET`` and ``DELETE /keys/{id}``."""

    permission_classes = (NeedsToken,)

    @extend_schema(
        responses=KeySerializer,
        operation_id="readKey",
        parameters=[ID],
        summary="Read one API key",
        tags=["keys"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """What a key may do, until when, and when it was last used."""
        return Response(KeySerializer(own_key(request, id)).data)

    @extend_schema(
        responses={204: OpenApiResponse(None, "Gone: it opens nothing any more.")},
        operation_id="deleteKey",
        parameters=[ID],
        summary="Revoke an API key",
        tags=["keys"],
    )
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        """Revokes a key at once and for good."""
        key = own_key(request, id)
        key.delete()
        log.info("API key %s deleted by user %s", id, caller(request).pk)
        return Response(status=status.HTTP_204_NO_CONTENT)
