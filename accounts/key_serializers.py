"""API keys as JSON, and what may be asked of them."""

import re
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.api_keys import LONGEST_LIFE, USUAL_LIFE, Scope
from accounts.models import ApiKey
from accounts.strict import PageQuery, StrictSerializer, TextField, WordField


class NameField(TextField):
    """Something to know a key by: what can be printed, on one line."""

    default_error_messages = {"unprintable": "This has a character that cannot be printed, such as a line break."}

    def to_internal_value(self, data: Any) -> str:
        """Raises ``ValidationError``."""
        name = super().to_internal_value(data)
        if not name.isprintable():
            self.fail("unprintable")
        return name


# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
_MOMENT = re.compile(r"(?ai)\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(\.\d{1,9})?(z|[+-]\d\d:\d\d)")


class MomentField(serializers.DateTimeField):
    """A time of RFC 3339, with its offset: without one it would be another time to each reader."""

    default_error_messages = {"moment": 'Write a time with its offset (RFC 3339), such as "2027-01-31T12:00:00Z".'}

    def to_internal_value(self, value: Any) -> datetime:
        """Raises ``ValidationError``."""
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            self.fail("moment")
        try:
            return datetime.fromisoformat(value.upper())
        except ValueError:
            self.fail("moment")


class ScopesField(serializers.ListField):
    """Some of the few words, each once."""

    child = WordField(choices=Scope.values)
    default_error_messages = {
        "twice": "Each scope may stand here once.",
        "min_length": f"Name at least one scope: {', '.join(Scope.values)}.",
    }

    def to_internal_value(self, data: Any) -> list[Any]:
        """Raises ``ValidationError``."""
        words = super().to_internal_value(data)
        if len(set(words)) < len(words):
            self.fail("twice")
        return words


class MakeKeySerializer(StrictSerializer):
    """The body of ``POST /keys``."""

    name = NameField(max_length=100, help_text="To know it by.")
    scopes = ScopesField(
        min_length=1,
        max_length=len(Scope),
        help_text="`read` for GET, `write` for everything else; neither includes the other.",
    )
    expires_at = MomentField(
        required=False,
        help_text=f"At most {LONGEST_LIFE.days} days from now. Left out: in {USUAL_LIFE.days} days.",
        error_messages={"null": "A key must expire. Leave this out, or name a time within a year."},
    )

    def validate_expires_at(self, moment: datetime) -> datetime:
        """Raises ``ValidationError`` for the past and for what is too far off."""
        now = timezone.now()
        latest = now + LONGEST_LIFE
        if moment <= now:
            raise serializers.ValidationError("This is in the past.")
        if moment > latest:
            raise serializers.ValidationError(
                f"A key lives for at most {LONGEST_LIFE.days} days. Made now, until {latest:%Y-%m-%dT%H:%M:%SZ}."
            )
        return moment

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fills in when it expires."""
        return {"expires_at": timezone.now() + USUAL_LIFE} | attrs


class KeyListQuery(PageQuery):
    """The parameters of ``GET /keys``."""


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key as the API shows it: never the key itself."""

    prefix = serializers.CharField(read_only=True, help_text="How the key begins.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.values), read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="To the minute.")

    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"]
        read_only_fields = fields


class NewKeySerializer(KeySerializer):
    """A key that has just been made."""

    key = serializers.CharField(read_only=True, help_text="The key itself. It is shown this once.")

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "key"]
        read_only_fields = fields


class KeyPageSerializer(serializers.Serializer[Any]):
    """A page of keys."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = KeySerializer(many=True)
