"""Which videos an operator means: by their user, their state, their age, and what their transcript was made with."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet

from accounts.models import User
from transcripts.models import Transcript
from videos.clock import from_now
from videos.models import Video


@dataclass(frozen=True)
class Selection:
    """Empty fields select all. Ages are counted from the last change of a row: for what has ended, from its end."""

    user: str = ""  # Cognito's sub, or an e-mail address
    states: tuple[str, ...] = ()
    error_codes: tuple[str, ...] = ()
    source: str = ""
    engine: str = ""
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it would select everything."""
        return self == Selection()

    def videos(self) -> "QuerySet[Video]":
        """As a question. Raises ``User.DoesNotExist`` where nobody has this id or address."""
        rows = Video.objects.all()
        if self.user:
            found = list(User.objects.filter(Q(pk=self.user) | Q(email=self.user)).values_list("pk", flat=True))
            if not found:
                raise User.DoesNotExist(self.user)
            rows = rows.filter(user__in=found)
        if self.states:
            rows = rows.filter(status__in=self.states)
        if self.error_codes:
            rows = rows.filter(error_code__in=self.error_codes)
        if self.source:
            rows = rows.filter(source=self.source)
        if self.engine:
            rows = rows.filter(pk__in=Transcript.objects.filter(engine=self.engine).values("video"))
        if self.older_than:
            rows = rows.filter(updated_at__lte=from_now(-self.older_than.total_seconds()))
        if self.newer_than:
            rows = rows.filter(updated_at__gte=from_now(-self.newer_than.total_seconds()))
        return rows
