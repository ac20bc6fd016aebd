"""Where rows begin, and what they look at past the doors that the service itself has."""

from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.sqs.models import sqs_backends

from local import speech_model
from local.youtube_answers import SAMPLE, sample_videos
from tests import builders
from tests.faults.processes import Process
from tests.faults.world import World
from videos import services
from videos.models import Video


def completed(world: World) -> Video:
    """A video with its transcript, and nobody at work."""
    return _ended(world, world.submit(), "completed")


def failed(world: World) -> Video:
    """A video that YouTube has refused, and would show now; nobody is at work."""
    clip = world.clip()
    shown = clip.player
    video = _ended(world, world.submit(clip.refuse("Private video")), "failed")
    clip.player = shown
    return video


def _ended(world: World, video: Video, status: str) -> Video:
    worker = world.worker()
    world.wait_until(video, status)
    world.wait_for(lambda: not world.waiting(), "the message is deleted")
    worker.kill()
    return video


def spoken(world: World) -> Video:
    """A video that has to be listened to."""
    clip, sample = world.clip(), sample_videos()[1]
    clip.media, clip.duration_ms, clip.language = SAMPLE / "talk.webm", sample.duration_ms, sample.language
    video, _ = services.submit_video(user=builders.user(), youtube_id=clip.id, mode="speech", language="")
    world.submitted.add(video.pk)
    return video


def listener(world: World, *points, **settings) -> Process:
    """A worker with a speech model."""
    return world.worker(*points, SPEECH_MODEL=str(speech_model.folder()), SPEECH_THREADS=1, **settings)


def has_logged(process: Process, words: str) -> bool:
    """Whether the process has written these words."""
    return process.plan.log.exists() and words in process.log()


def forget_messages(world: World) -> None:
    """Whatever is in the queue is gone, also what is delayed; as often as one likes."""
    name = world.queue_url.rpartition("/")[2]
    sqs_backends[ACCOUNT_ID]["us-east-1"].queues[name]._messages.clear()
