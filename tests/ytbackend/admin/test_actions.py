"""What operators do to videos, and what is written down of it."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models.functions import Now

from tests import builders
from tests.conftest import messages
from transcripts.models import Transcript
from videos import admin_actions
from videos.models import Video

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/videos/video/"


def confirm(browser, deed: str, *videos: Video, **options):
    ids = ",".join(video.pk.hex for video in videos)
    return browser.post(f"{LIST}do/{deed}", {"ids": ids, **options}, follow=True)


def notes() -> list[tuple[str, str, str]]:
    return list(LogEntry.objects.order_by("pk").values_list("user_id", "object_id", "change_message"))


def test_an_action_asks_first_with_how_many_and_what(operator):
    videos = [builders.failed(title="Bees"), builders.failed(title="Wasps"), builders.queued(title="Ants")]

    asked = operator.post(
        LIST, {"action": "reprocess", "_selected_action": [str(video.pk) for video in videos]}, follow=True
    ).content.decode()

    assert "Reprocess 3 videos?" in asked
    assert "2 failed, 1 queued." in asked
    assert "1 of them is in no state for that" in asked
    assert all(video.title in asked for video in videos)
    assert Video.objects.filter(status="failed").count() == 2


def test_reprocess_starts_again_sends_the_message_and_is_written_down(operator, sqs, settings):
    video = builders.failed()

    said = confirm(operator, "reprocess", video).content.decode()

    video.refresh_from_db()
    assert "1 video started again." in said
    assert video.status == "queued"
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]
    assert notes() == [("operator", str(video.pk), "Started again.")]


def test_reprocess_says_what_the_mode_is_before_it_asks_for_another(operator):
    ids = ",".join(builders.failed(mode=mode).pk.hex for mode in ("captions", "captions", "auto"))

    reprocess, cancel = (
        operator.get(f"{LIST}do/{deed}?ids={ids}").content.decode() for deed in ("reprocess", "cancel")
    )

    assert "Mode now: captions only (2); captions, else speech (1)." in reprocess
    assert "Mode now" not in cancel


def test_reprocess_in_another_mode_says_so_in_the_log(operator, sqs):
    video = builders.failed(mode="captions")

    confirm(operator, "reprocess", video, mode="speech")

    video.refresh_from_db()
    assert video.mode == "speech"
    assert notes()[0][2] == "Started again (mode=speech)."


def test_what_is_in_work_is_started_again_only_if_that_was_said(operator, sqs):
    video = builders.processing()

    left = confirm(operator, "reprocess", video).content.decode()
    state_before = Video.objects.get(pk=video.pk).status
    confirm(operator, "reprocess", video, force="on")

    assert "1 video left as it is" in left
    assert (state_before, Video.objects.get(pk=video.pk).status) == ("processing", "queued")


def test_a_mode_that_there_is_not_is_refused(operator):
    video = builders.failed()

    confirm(operator, "reprocess", video, mode="telepathy")

    assert Video.objects.get(pk=video.pk).status == "failed"


def test_cancel_ends_what_waits(operator):
    video = builders.queued()

    confirm(operator, "cancel", video)

    video.refresh_from_db()
    assert (video.status, video.error_code) == ("failed", "cancelled")
    assert notes() == [("operator", str(video.pk), "Cancelled.")]


def test_release_takes_back_what_has_lost_its_worker_and_sends_it(operator, sqs, settings):
    video = builders.processing()
    Video.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    confirm(operator, "release", video)

    video.refresh_from_db()
    assert video.status == "queued"
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]


def test_release_sends_what_was_never_sent(operator, sqs, settings):
    video = builders.queued()

    confirm(operator, "release", video)

    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]
    assert notes()[0][2] == "Released."


def test_release_leaves_what_is_not_stuck(operator, sqs, settings):
    working, waiting, done = builders.processing(), builders.processing(), builders.completed()
    waiting.release("source_refused", "Not now.", delay=600)

    said = confirm(operator, "release", working, waiting, done).content.decode()

    assert "3 videos left as it is" in said
    assert messages(sqs, settings) == []
    assert notes() == []


def test_delete_takes_row_transcript_and_files(operator):
    video = builders.completed()
    path = default_storage.save(f"{video.files_prefix}1/audio.webm", ContentFile(b"x"))

    confirm(operator, "delete", video)

    assert not Video.objects.exists()
    assert not Transcript.objects.exists()
    assert not default_storage.exists(path)
    assert notes() == [("operator", str(video.pk), "Deleted.")]


def test_each_of_several_is_written_down_by_itself(operator, sqs):
    videos = [builders.failed(), builders.failed()]

    confirm(operator, "reprocess", *videos)

    assert {note[1] for note in notes()} == {str(video.pk) for video in videos}


def test_more_than_can_be_done_at_once_are_not_begun(operator, monkeypatch):
    monkeypatch.setattr(admin_actions, "MOST_AT_ONCE", 2)
    videos = [builders.failed() for _ in range(3)]

    asked = operator.post(
        LIST, {"action": "reprocess", "_selected_action": [str(video.pk) for video in videos]}, follow=True
    ).content.decode()

    assert "Reprocess 2 videos?" in asked
    assert "For more use manage.py reprocess." in asked


def test_what_is_gone_meanwhile_is_told(operator):
    video = builders.failed()
    ids = f"{video.pk.hex},{'0' * 32},nonsense"

    asked = operator.get(f"{LIST}do/delete", {"ids": ids}).content.decode()

    assert "Delete 1 video?" in asked
    assert "1 is gone meanwhile." in asked


@pytest.mark.parametrize("deed", admin_actions.DEEDS)
def test_viewers_see_no_actions_and_may_do_none(viewer, deed):
    video = builders.failed()

    shown = viewer.get(f"{LIST}{video.pk}/change/").content.decode()

    assert "/do/" not in shown
    assert viewer.get(f"{LIST}do/{deed}", {"ids": video.pk.hex}).status_code == 403
    assert confirm(viewer, deed, video).status_code == 403
    assert Video.objects.get(pk=video.pk).status == "failed"


def test_a_link_does_nothing_by_itself(operator):
    video = builders.failed()

    operator.get(f"{LIST}do/delete", {"ids": video.pk.hex})

    assert Video.objects.exists()


def test_what_is_no_action_is_not_found(operator):
    assert operator.get(f"{LIST}do/explode").status_code == 404
