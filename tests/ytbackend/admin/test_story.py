"""A video's page."""

import re
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from tests import builders
from transcripts.segments import Segment
from videos.models import Video

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


def story(browser, video: Video) -> str:
    return browser.get(f"/admin/videos/video/{video.pk}/change/").content.decode()


def test_it_tells_each_attempt_with_its_worker_stage_outcome_and_error(viewer):
    video = Video.objects.claim(builders.queued().pk, worker="worker-7:42")
    video.advance(Video.Stage.CAPTIONS, 10)
    video.release("source_refused", "YouTube is refusing requests.", delay=-1)
    Video.objects.claim(video.pk, worker="worker-8:1")

    shown = re.sub(r"\s+", " ", story(viewer, video))

    for told in (
        "worker-7:42",
        "<td>captions</td>",
        "failed for now: it is tried again",
        "<code>source_refused</code>",
    ):
        assert told in shown
    assert shown.index("worker-8:1") < shown.index("worker-7:42")


def test_attempts_of_several_runs_are_told_apart(viewer):
    video = builders.failed()
    assert '<th scope="row">1</th>' in story(viewer, video)

    Video.objects.filter(pk=video.pk).update(status=Video.Status.QUEUED, attempt=0, requested_at=timezone.now())
    Video.objects.claim(video.pk, worker="w")

    shown = story(viewer, video)
    assert shown.index("run 2, no. 1") < shown.index("run 1, no. 1")


def test_the_way_to_it_names_the_list_once_and_then_its_title(viewer):
    video = builders.completed(title="iPhone <3")

    crumbs = re.findall(r'class="crumb">([^<]*)<', story(viewer, video))

    assert crumbs == ["Videos", "iPhone &lt;3"]


def test_staff_are_called_by_their_address(viewer):
    shown = viewer.get("/admin/").content.decode()

    assert re.search(r'tracking-tight truncate">\s*viewer@example.com\s*<', shown)


def test_it_tells_what_the_message_holds_and_when_it_was_sent(viewer):
    video = builders.queued()

    assert "Not sent yet: the next sweep does" in story(viewer, video)
    video.sent()

    shown = story(viewer, video)
    assert "Last sent" in shown
    assert f"&quot;video_id&quot;: &quot;{video.pk}&quot;" in shown


def test_a_worker_that_was_faster_than_the_stamp_tells_that_the_message_was_sent(viewer):
    video = builders.queued()
    Video.objects.claim(video.pk, worker="w")
    video.sent()  # comes too late

    shown = story(viewer, video)

    assert "Sent, and taken by a worker at 20" in shown
    assert "Not sent" not in shown


def test_it_lists_files_with_sizes_and_signed_links(viewer):
    video = builders.completed()
    default_storage.save(f"{video.attempt_prefix}audio.webm", ContentFile(b"x" * 2048))

    found = re.search(r'<a href="([^"]+)"[^>]*>([^<]*audio\.webm)</a></td><td>([^<]*)</td>', story(viewer, video))

    assert found[3].replace("\xa0", " ") == "2.0 KB"
    assert b"".join(viewer.get(found[1]).streaming_content) == b"x" * 2048


def test_files_in_a_bucket_are_listed_alike(viewer, bucket):
    video = builders.completed()
    default_storage.save(f"{video.attempt_prefix}transcript.json", ContentFile(b"{}"))

    shown = story(viewer, video)

    assert "transcript.json?X-Amz-" in shown
    assert "<td>2\xa0bytes</td>" in shown


def test_storage_that_does_not_answer_hides_nothing_else(viewer, bucket, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "videos.s3.BoundedS3Storage",
            "OPTIONS": {"bucket_name": bucket, "endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"},
        }
    }

    shown = story(viewer, builders.completed(title="Bees"))

    assert "Storage does not answer." in shown
    assert "Bees" in shown


def test_it_shows_what_was_said_beside_times_that_open_the_player_there(viewer):
    video = builders.completed(youtube_id="dQw4w9WgXcQ", segments=[Segment(61_000, 62_000, "Good day.")])

    shown = story(viewer, video)

    assert 'href="https://www.youtube.com/watch?v=dQw4w9WgXcQ&amp;t=61s"' in shown
    assert ">1:01</a> <span>Good day.</span>" in shown


def test_no_markup_of_strangers_runs(viewer):
    video = builders.completed(title=HOSTILE, channel=HOSTILE, segments=[Segment(0, 1000, HOSTILE)])
    failed = builders.processing(title=HOSTILE)
    failed.fail("no_captions", HOSTILE, retryable=False)

    for shown in (story(viewer, video), story(viewer, failed)):
        assert HOSTILE not in shown
        assert shown.count("&lt;script&gt;alert(1)") >= 3


def test_it_asks_few_questions_however_long_the_story_is(viewer, django_assert_max_num_queries):
    video = builders.completed()
    for fence in range(10, 40):
        video.attempts.create(fence=fence, number=fence, worker="w", started_at=video.created_at)

    with django_assert_max_num_queries(9):
        story(viewer, video)


def test_an_id_that_no_video_has_leads_back_to_the_front_page(viewer):
    for wrong in (uuid.uuid4(), "nonsense"):
        answer = viewer.get(f"/admin/videos/video/{wrong}/change/")
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
