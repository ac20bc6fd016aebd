"""What users have used, what is set aside for work that is under way, and what staff grant to one of them.

These rows are written in the transactions of what they count, so that they cannot drift. Whoever locks both locks
the quota before the video: no two transactions can then wait for each other.
"""

from datetime import date, datetime
from typing import ClassVar, Self

from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import User
from accounts.prepared import Parameter, Prepared, PreparedUpdate
from videos.columns import VideoColumns


class UserErased(User.DoesNotExist):
    """The user was erased while somebody was at work for them: nothing is to be counted any more."""


def lock(user_id: str) -> datetime:
    """Nobody else counts for this user until the transaction ends; returns the database's time.

    SQLite has one writer at a time anyway. Raises ``UserErased``.
    """
    locked = _locked(user=user_id)
    if not locked:
        _make_lock(user_id)
        locked = _locked(user=user_id)
    ((moment,),) = locked
    return moment


def _make_lock(user_id: str) -> None:
    """The first time. Of many who are here at once one makes the row, and the others wait for it.

    They must not try it by INSERT alone: who finds a row there then shares a lock on it with others, and each waits
    for the others to let go (https://dev.mysql.com/doc/refman/8.4/en/innodb-locks-set.html). Raises ``UserErased``.
    """
    if not User.objects.filter(pk=user_id).exists():
        raise UserErased(user_id)
    unique = ["user"] if connection.features.supports_update_conflicts_with_target else None
    made = [QuotaLock(user_id=user_id)]
    QuotaLock.objects.bulk_create(made, update_conflicts=True, update_fields=["made_at"], unique_fields=unique)


class QuotaLock(models.Model):
    """Whoever has locked it counts for this user.

    Not the user's own row: every new transcript refers to that, and so a worker that is frozen while it writes one
    would hold up whatever its user submits.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="quota_lock"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "quota_locks"

    def __str__(self) -> str:
        return str(self.user_id)


_locked: Prepared[tuple[datetime]] = Prepared(
    lambda: QuotaLock.objects.select_for_update().filter(pk=Parameter("user", User._meta.pk)).values_list(Now()), tuple
)


class UserQuota(models.Model):
    """What one user may use instead of what the settings say. Empty: what they say; 0: no limit."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="quota"
    )
    submissions_per_day = models.PositiveIntegerField(null=True, blank=True)
    speech_minutes_per_month = models.PositiveIntegerField(null=True, blank=True)
    videos = models.PositiveIntegerField("videos kept", null=True, blank=True)
    gigabytes = models.PositiveIntegerField("gigabytes kept", null=True, blank=True)

    class Meta:
        db_table = "user_quotas"
        verbose_name = "quota of a user"
        verbose_name_plural = "quotas of users"

    def __str__(self) -> str:
        return str(self.user_id)


class UsageQuerySet(models.QuerySet["Usage"]):
    """The two ways to count."""

    def add(self, user_id: str, kind: "Usage.Kind", period: date, amount: int) -> None:
        """So much more. Who calls this holds the quota's lock, or knows that the row is there."""
        if not _add(user=user_id, kind=kind, period=period, more=amount):
            self.create(user_id=user_id, kind=kind, period=period, amount=amount)


class Usage(models.Model):
    """How much of one kind a user has used in one day or month: a history, too."""

    class Kind(models.TextChoices):
        """What is counted, and the length of the period."""

        SUBMISSIONS = "submissions", "submissions of a day"
        SPEECH = "speech", "milliseconds of speech of a month"

    user = models.ForeignKey(User, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="usage")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    period = models.DateField(help_text="Its first day, in UTC.")
    amount = models.PositiveBigIntegerField()

    objects: ClassVar[models.Manager["Usage"]] = UsageQuerySet.as_manager()

    class Meta:
        db_table = "quota_usage"
        verbose_name_plural = "usage"
        constraints = [models.UniqueConstraint(fields=["user", "kind", "period"], name="quota_usage_one_per_period")]

    def __str__(self) -> str:
        return f"{self.kind} {self.period}: {self.amount}"


_AMOUNT = Usage._meta.get_field("amount")
_add = PreparedUpdate(
    lambda: Usage.objects.filter(
        user=Parameter("user", User._meta.pk),
        kind=Parameter("kind", Usage._meta.get_field("kind")),
        period=Parameter("period", Usage._meta.get_field("period")),
    ),
    amount=F("amount") + Parameter("more", _AMOUNT),
)


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Written in the transactions of the video's transitions, and where a worker is about to listen."""

    def hold(self, video: VideoColumns, month: date, milliseconds: int) -> None:
        """So much is set aside for this claim. Who calls this holds the locks of quota and video."""
        self.create(video_id=video.pk, user_id=video.user_id, month=month, milliseconds=milliseconds, fence=video.fence)
        Usage.objects.add(video.user_id, Usage.Kind.SPEECH, month, 0)  # so that the row is there when it is charged

    def end(self, video: VideoColumns, *, listened_ms: int = 0) -> None:
        """Charges what was listened to, at most what was set aside, and gives the rest back. The video is locked."""
        reservation = self.filter(video_id=video.pk).first()
        if reservation is None:
            return
        reservation.delete()
        charged = min(listened_ms, reservation.milliseconds)
        if charged > 0:
            Usage.objects.add(reservation.user_id, Usage.Kind.SPEECH, reservation.month, charged)

    def orphaned(self) -> Self:
        """Of claims that have ended: code that knows no reservations has ended them, before an update."""
        held = Q(video__status=VideoColumns.Status.PROCESSING, video__fence=F("fence"))
        return self.exclude(pk__in=self.filter(held).values("pk"))


class Reservation(models.Model):
    """The speech that a worker is about to listen to, or is listening to: nobody else may use it."""

    video = models.OneToOneField(
        "videos.Video", on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="reservation"
    )
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="reservations"
    )
    month = models.DateField(help_text="Its first day, in UTC: what is listened to is charged to this month.")
    milliseconds = models.PositiveBigIntegerField()
    fence = models.PositiveBigIntegerField(help_text="The claim's.")

    objects: ClassVar[models.Manager["Reservation"]] = ReservationQuerySet.as_manager()

    class Meta:
        db_table = "speech_reservations"
        indexes = [models.Index(fields=["user", "month", "milliseconds"], name="speech_reservations_sum")]

    def __str__(self) -> str:
        return f"{self.video_id}: {self.milliseconds} ms"
