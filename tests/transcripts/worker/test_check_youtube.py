"""``manage.py check_youtube``: what YouTube gives, without downloading anything."""

import json
import uuid

import pytest
from django.core.management import CommandError, call_command

from tests import builders
from transcripts.worker import advice, errors

CAPTIONED = "SampleCapt1"


def test_it_tells_what_a_job_would_get_and_downloads_nothing(stand_in, capsys):
    call_command("check_youtube", CAPTIONED, "--json")

    told = json.loads(capsys.readouterr().out)
    assert (told["available"], told["youtube_id"]) == (True, CAPTIONED)
    assert told["title"]
    assert told["captions"][0]["language"] == "en"
    assert {request.endpoint for request in stand_in.log}.isdisjoint({"timedtext", "media"})


def test_a_person_reads_it(stand_in, capsys):
    call_command("check_youtube", f"https://youtu.be/{CAPTIONED}")

    said = capsys.readouterr().out
    assert stand_in.videos[CAPTIONED].title in said
    assert "captions" in said


def test_a_refusal_is_told_with_its_code_and_what_to_do(stand_in, capsys):
    with pytest.raises(CommandError) as error:
        call_command("check_youtube", "nosuchvideo", "--json")

    told = json.loads(capsys.readouterr().out)
    assert error.value.returncode == 3
    assert (told["available"], told["permanent"]) == (False, True)
    assert told["code"] == "video_unavailable"
    assert told["advice"]


@pytest.mark.django_db
def test_our_own_id_is_understood(stand_in, capsys):
    video = builders.queued(youtube_id=CAPTIONED)

    call_command("check_youtube", str(video.pk), "--json")

    assert json.loads(capsys.readouterr().out)["youtube_id"] == CAPTIONED


@pytest.mark.django_db
def test_an_id_of_ours_that_no_video_has_is_said_so():
    with pytest.raises(CommandError, match="no video with our id") as error:
        call_command("check_youtube", str(uuid.uuid4()))

    assert error.value.returncode == 3


def test_what_is_no_id_is_a_wrong_call():
    with pytest.raises(CommandError) as error:
        call_command("check_youtube", "https://example.com/")

    assert error.value.returncode == 2


def test_there_is_advice_for_every_code():
    def classes(parent):
        return {parent, *(c for child in parent.__subclasses__() for c in classes(child))}

    causes = [cause for cause in classes(errors.JobError) if "code" in vars(cause)]

    assert len(causes) > 30
    assert all(len(advice.what_to_do(cause())) > 20 for cause in causes)
    assert "YOUTUBE_PROXY_URL" in advice.what_to_do(errors.SourceRefused())
