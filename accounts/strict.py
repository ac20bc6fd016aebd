"""Bodies and query strings that are read strictly: whatever could be a mistake is refused, with what would be right.

Every app reads its input with these. They stand in the lowest one, because imports point down.
"""

import functools
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.fields import empty


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
        """What was asked for. Raises ``InvalidQuery``, also for a name that stands twice."""
        sent = self.initial_data
        repeated = [name for name in sent if len(sent.getlist(name)) > 1]
        if repeated:
            raise InvalidQuery({name[:50]: ["This stands more than once. Say it once."] for name in repeated})
        try:
            if not sent:
                return dict(_defaults(type(self)))
            self.is_valid(raise_exception=True)
        except serializers.ValidationError as error:
            raise InvalidQuery(error.detail) from error
        found: dict[str, Any] = self.validated_data
        return found


@functools.cache
def _defaults(query: type[QuerySerializer]) -> dict[str, Any]:
    """What a query string that is empty asks for: made once, as most are."""
    empty_one = query(data=QueryDict())
    empty_one.is_valid(raise_exception=True)
    found: dict[str, Any] = empty_one.validated_data
    return found


class TruthField(serializers.BooleanField):
    """``true`` or ``false`` of JSON, and no number or word that could be read as one of them."""

    def to_internal_value(self, data: Any) -> bool:
        """Raises ``ValidationError``."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class SwitchField(serializers.BooleanField):
    """On or off in a query string, in the few words that are documented."""

    TRUE_VALUES = {"1", "true"}
    FALSE_VALUES = {"0", "false"}
    NULL_VALUES = set()
    default_empty_html = empty  # what is not there is not off: it is the default


class WholeNumberField(serializers.IntegerField):
    """Digits and nothing else: ``int()`` would also read ``5_0``, ``+5`` and the digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        """Raises ``ValidationError``."""
        if not (isinstance(data, str) and data.isascii() and data.isdigit()):
            self.fail("invalid")
        return super().to_internal_value(data)


class PageQuery(QuerySerializer):
    """The parameters of every list."""

    cursor = serializers.CharField(
        required=False, max_length=4000, help_text="From `next` or `previous` of another page."
    )
    page_size = WholeNumberField(required=False, min_value=1, max_value=100, help_text="20 if left out.")


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
