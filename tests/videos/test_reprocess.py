"""``manage.py reprocess``."""

import uuid

import pytest
from django.core.management import CommandError, call_command

from tests import builders
from tests.conftest import messages
from videos.models import Deletion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sqs")]


def reprocess(*arguments: object) -> None:
    call_command("reprocess", *map(str, arguments))


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_it_starts_what_has_ended_and_sends_it(state, sqs, settings, capsys):
    video = getattr(builders, state)()

    reprocess(video.pk)

    video.refresh_from_db()
    assert (video.status, video.attempt) == ("queued", 0)
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]
    assert capsys.readouterr().out == f"{video.pk}: queued\n"


@pytest.mark.parametrize("state", ["queued", "processing"])
def test_it_leaves_what_waits_or_is_in_work_alone_unless_it_is_forced(state, capsys):
    video = getattr(builders, state)()

    with pytest.raises(CommandError, match="1 of 1"):
        reprocess(video.pk)
    assert f"it is {state}. Add --force" in capsys.readouterr().err

    reprocess(video.pk, "--force", "--mode=speech")
    fence = video.fence
    video.refresh_from_db()
    assert (video.status, video.fence, video.mode) == ("queued", fence + 1, "speech")


def test_what_a_worker_had_in_hand_is_to_go(capsys):
    video = builders.processing()

    reprocess(video.pk, "--force")

    assert Deletion.objects.get().prefix == video.attempt_prefix


def test_the_files_of_the_transcript_stay(capsys):
    video = builders.completed()

    reprocess(video.pk)

    assert not Deletion.objects.exists()
    assert video.transcript


def test_it_says_what_it_could_not_do_and_does_the_rest(capsys):
    video, nobody = builders.failed(), uuid.uuid4()

    with pytest.raises(CommandError, match="1 of 2"):
        reprocess(nobody, video.pk)

    assert f"{nobody}: there is no such video" in capsys.readouterr().err
    video.refresh_from_db()
    assert video.status == "queued"


def test_it_says_what_an_id_looks_like():
    with pytest.raises(CommandError, match="ids are UUIDs"):
        reprocess("7")
