"""Bodies and query strings that are read strictly: whatever could be a mistake is refused, with what would be right.

Every app reads its input with these. They stand in the lowest one, because imports point down.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Input: a name that is not known is refused with the names that are, so that no typo is ignored."""

    default_error_messages = {"invalid": "The body must be a JSON object, not {datatype}."}

    def to_internal_value(self, data: Any) -> Any:
        """Raises ``ValidationError``, keyed by the field's name."""
        if isinstance(data, Mapping):
            known = f"This name is not known. Known are: {', '.join(self.fields)}."
            unknown = {str(name)[:50]: [known] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class InvalidQuery(serializers.ValidationError):
    """400: its places are parameters of the query string, not of the body."""

    in_query = True


class QuerySerializer(StrictSerializer):
    """A query string."""

    def parameters(self) -> dict[str, Any]:
        """What was asked for. Raises ``InvalidQuery``."""
        try:
            self.is_valid(raise_exception=True)
        except serializers.ValidationError as error:
            raise InvalidQuery(error.detail) from error
        found: dict[str, Any] = self.validated_data
        return found


class PageQuery(QuerySerializer):
    """The parameters of every list."""

    cursor = serializers.CharField(
        required=False, max_length=4000, help_text="From `next` or `previous` of another page."
    )
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100, help_text="20 if left out.")


class TextField(serializers.CharField):
    """Text and nothing that merely can be read as text: a number or a boolean is a mistake."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ``ValidationError``."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WordField(serializers.ChoiceField):
    """One of a few words; which, the refusal says."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ``ValidationError``."""
        if not isinstance(data, str) or data not in self.choices:
            raise serializers.ValidationError(f"This may only be one of: {', '.join(map(str, self.choices))}.")
        return super().to_internal_value(data)
