"""What a worker does about its user's minutes of speech."""

import pytest
from django.core.files.storage import default_storage

from local.youtube import Video as Clip
from tests import builders, sounds
from tests.tokens import ALICE
from transcripts import stored
from transcripts.worker import loop
from videos import quotas, reprocessing, services, sweeping
from videos.deadline import Deadline
from videos.models import Reservation, Video

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs", "_signals")]

CAPTIONED, VOICE = "SampleCapt1", "SampleVoice"


def work() -> None:
    sweeping.sweep()
    loop.Worker(poll_seconds=0).run(idle_exit=0)


def used() -> int:
    """Milliseconds; nothing may be set aside when nobody works."""
    assert not Reservation.objects.exists()
    return quotas.standing(ALICE).speech.used


def downloads(stand_in) -> list[str]:
    return [request.video_id for request in stand_in.log if request.endpoint == "media"]


def leave(video: Video, milliseconds: int) -> None:
    """No more than this is left of a minute."""
    other = builders.processing()
    quotas.reserve(other, 60_000 - milliseconds)
    other.complete(source=Video.Source.SPEECH, language="en", listened_ms=60_000 - milliseconds)
    Video.objects.exclude(pk=video.pk).delete()


def test_it_charges_the_sound_that_it_has_listened_to(stand_in, small_model):
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    assert video.status == "completed"
    assert video.duration_ms - 2000 < used() <= video.duration_ms


def test_it_charges_for_listening_also_where_nobody_speaks(stand_in, small_model, tmp_path):
    media = sounds.write(tmp_path / "silence.webm", sounds.silence(3))
    stand_in.videos["silentvideo"] = Clip("silentvideo", duration_ms=3000, media=media)
    video = builders.queued(youtube_id="silentvideo")

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "no_speech")
    assert 2500 < used() <= 3000


def test_it_charges_nothing_for_captions(stand_in):
    builders.queued(youtube_id=CAPTIONED)

    work()

    assert used() == 0


@pytest.mark.parametrize("mode", ["auto", "speech"])
def test_it_downloads_nothing_where_too_little_is_left(stand_in, settings, mode):
    settings.QUOTA_SPEECH_MINUTES_PER_MONTH = 1
    video = builders.queued(youtube_id=VOICE, mode=mode)
    leave(video, 30_000)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code, video.attempt) == ("failed", "speech_quota_exceeded", 1)
    assert video.error_retryable
    assert (
        "takes 1 min, and of the 1 min that you have in a month 0 min are left. Try again after" in video.error_detail
    )
    assert (downloads(stand_in), used()) == ([], 30_000)


def test_it_downloads_nothing_where_there_is_no_room(stand_in, settings):
    settings.QUOTA_GIGABYTES = 1
    video = builders.queued(youtube_id=VOICE)
    Video.objects.filter(pk=builders.completed().pk).update(bytes_kept=quotas.GIGABYTE)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "storage_quota_exceeded")
    assert "Delete some of your videos" in video.error_detail
    assert (downloads(stand_in), used()) == ([], 0)


@pytest.mark.parametrize("by", ["one by one", "many at once"])
def test_what_an_operator_asks_for_needs_no_quota_and_costs_none(stand_in, small_model, settings, by):
    settings.QUOTA_SPEECH_MINUTES_PER_MONTH = settings.QUOTA_GIGABYTES = 1
    video = builders.completed(youtube_id=VOICE, mode="speech")
    leave(video, 0)
    Video.objects.filter(pk=video.pk).update(bytes_kept=quotas.GIGABYTE)

    if by == "one by one":
        services.reprocess_video(video)
    else:
        reprocessing.start([video.pk], states=[Video.Status.COMPLETED])
    work()

    video.refresh_from_db()
    assert (video.status, video.source, video.error_code, used()) == ("completed", "speech", "", 60_000)


def test_it_gives_back_what_came_to_nothing(stand_in, small_model, settings):
    settings.MAX_AUDIO_MEGABYTES = 0
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    assert (video.status, video.error_code, used()) == ("failed", "audio_too_large", 0)


def test_it_keeps_the_size_of_what_it_has_stored(stand_in, small_model):
    video = builders.queued(youtube_id=VOICE)

    work()

    video.refresh_from_db()
    files = [video.s3_path, video.transcript.s3_path]
    assert video.bytes_kept == sum(default_storage.size(path) for path in files)
    services.delete_video(video)
    assert quotas.standing(ALICE).bytes.used == 0


def test_the_size_of_audio_that_is_lost_counts_no_more(stand_in, small_model):
    video = builders.queued(youtube_id=VOICE)
    work()
    video.refresh_from_db()
    default_storage.delete(video.s3_path)

    stored.reconcile(Deadline())

    video.refresh_from_db()
    assert (video.s3_path, video.bytes_kept) == ("", default_storage.size(video.transcript.s3_path))
