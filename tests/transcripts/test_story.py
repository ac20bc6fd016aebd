"""``manage.py video``: one video's story."""

import json
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from tests import builders
from tests.tokens import BOB
from transcripts.models import Transcript
from videos.models import Video

pytestmark = pytest.mark.django_db


def told(capsys, *arguments: object) -> str:
    call_command("video", *map(str, arguments))
    return capsys.readouterr().out


def in_json(capsys, *arguments: object) -> dict:
    return json.loads(told(capsys, *arguments, "--json"))


def test_it_tells_every_attempt_with_its_error(capsys):
    video = builders.processing()
    video.advance(Video.Stage.AUDIO, 40)
    video.release("source_failing", "YouTube is having trouble.", delay=0)
    Video.objects.update(retry_at=None)
    again = Video.objects.claim(video.pk, worker="host 7")
    again.fail("video_private", "This video is private.", retryable=False)

    story = in_json(capsys, video.pk)

    assert story["status"] == "failed"
    assert [(a["number"], a["outcome"], a["stage"], a["error_code"]) for a in story["attempts"]] == [
        (1, "released", "audio", "source_failing"),
        (2, "failed", "metadata", "video_private"),
    ]
    assert story["attempts"][1]["worker"] == "host 7"
    assert all(a["started_at"] and a["ended_at"] for a in story["attempts"])


def test_a_person_reads_it_and_what_to_do(capsys):
    private, passing = builders.failed(), builders.failed(code="source_refused", retryable=True)

    assert "check_youtube" in told(capsys, private.pk)
    said = told(capsys, passing.pk)
    assert "source_refused: This video is private." in said
    assert f"manage.py reprocess {passing.pk}" in said


def test_a_worker_that_was_faster_than_the_stamp_tells_that_the_message_was_sent(capsys):
    video = builders.queued()
    assert "message not sent since it was last queued" in told(capsys, video.pk)

    claimed = Video.objects.claim(video.pk, worker="w")
    video.sent()  # comes too late

    assert "message sent, and taken by a worker at 20" in told(capsys, video.pk)
    claimed.release("source_failing", "YouTube is having trouble.", delay=0)
    assert "message not sent since it was last queued" in told(capsys, video.pk)  # the next one


def test_an_attempt_of_an_earlier_call_does_not_tell_that_the_message_was_sent(capsys):
    video = builders.failed()
    Video.objects.get(pk=video.pk).retry()
    Video.objects.get(pk=video.pk).cancel()

    assert "message not sent since it was last queued" in told(capsys, video.pk)


def test_a_video_without_captions_can_be_listened_to(capsys):
    video = builders.failed(code="no_captions")

    said = told(capsys, video.pk)

    assert f"manage.py reprocess {video.pk} --mode auto" in said
    assert "check_youtube" not in said


def test_it_tells_the_message_the_files_and_the_head_of_the_transcript(capsys):
    video = builders.completed(s3_path="")
    path = default_storage.save(f"{video.attempt_prefix}transcript.json", ContentFile(b"12345"))
    stray = default_storage.save(f"{video.attempt_prefix}stray", ContentFile(b"1"))
    Transcript.objects.update(s3_path=path)
    Video.objects.update(s3_path=f"{video.attempt_prefix}audio.webm")

    story = in_json(capsys, video.pk, "--segments=1")

    assert json.loads(story["message"]["body"])["video_id"] == str(video.pk)
    assert {(row["path"], row["bytes"], row["is"]) for row in story["files"]} == {
        (path, 5, "transcript"),
        (stray, 1, ""),
        (f"{video.attempt_prefix}audio.webm", None, "audio"),
    }
    assert story["head"] == [{"start_ms": 0, "text": "Hello <world> & all"}]
    assert "LOST" in told(capsys, video.pk)
    default_storage.delete(path)
    default_storage.delete(stray)


@pytest.mark.parametrize("link", ["{}", "https://youtu.be/{}", "https://www.youtube.com/watch?v={}&t=7"])
def test_it_is_found_by_youtubes_id_and_by_a_link(capsys, link):
    video = builders.queued(youtube_id="dQw4w9WgXcQ")

    assert in_json(capsys, link.format("dQw4w9WgXcQ"))["id"] == str(video.pk)


def test_what_several_have_submitted_is_listed(capsys):
    mine, theirs = builders.queued(youtube_id="dQw4w9WgXcQ"), builders.queued(BOB, youtube_id="dQw4w9WgXcQ")

    assert {row["id"] for row in in_json(capsys, "dQw4w9WgXcQ")["matches"]} == {str(mine.pk), str(theirs.pk)}
    assert "Ask for one of" in told(capsys, "dQw4w9WgXcQ")


@pytest.mark.parametrize("text", [str(uuid.uuid4()), "dQw4w9WgXcQ", "https://example.com/x", "nonsense"])
def test_what_is_not_there_is_said_so(text):
    with pytest.raises(CommandError, match="There is no video") as error:
        call_command("video", text)

    assert error.value.returncode == 3


def test_a_strangers_title_does_nothing_to_the_terminal(capsys):
    video = builders.queued(title="Hi \x1b[2J\x07\u202eevil")

    said = told(capsys, video.pk)

    assert "Hi" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
