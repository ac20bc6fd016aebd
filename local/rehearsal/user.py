"""What a user does, and what the worker and the schedule do for one."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from local.aws.database import authority_in
from local.aws.functions import ROOT
from local.rehearsal.scene import FUNCTION, Scene, expect, expect_status

CAPTIONS, VOICE = "https://youtu.be/SampleCapt1", "https://youtu.be/SampleVoice"


def reach(scene: Scene) -> str:
    """Through the gateway to the database, and no further without a token."""
    expect_status(scene.visitor.call("GET", "/health"), 200)
    stranger = scene.visitor.call("GET", "/me")
    expect_status(stranger, 401)
    preflight = scene.visitor.call(
        "OPTIONS", "/analyze", Origin="https://shri.software", Access_Control_Request_Method="POST"
    )
    expect(preflight.headers.get("access-control-allow-origin") == "https://shri.software", preflight)
    return str(scene.visitor.call("GET", "").json()["docs"])


def sign_in(scene: Scene) -> str:
    """With the pool and the client of the stack; the function knows the pool's keys by configuration."""
    scene.visitor.sign_up(scene.outputs["UserPoolId"], scene.outputs["UserPoolClientId"])
    scene.visitor.sign_in(scene.outputs["UserPoolClientId"])
    me = scene.visitor.call("GET", "/me")
    expect_status(me, 200)
    expect(me.json()["email"] == scene.visitor.email, me)
    return scene.visitor.email


def submit(scene: Scene) -> str:
    """Rows in the database, messages in the queue."""
    for link in (CAPTIONS, VOICE):
        answer = scene.visitor.call("POST", "/analyze", {"url": link})
        expect_status(answer, 202)
        expect(answer.json()["status"] == "queued", answer)
    expect(scene.waiting() == 2, f"{scene.waiting()} messages are in the queue")
    return "2 messages"


def work(scene: Scene) -> str:
    """The real worker: the source that a machine gets, its environment file, and YouTube's stand-in."""
    output = _worker(scene, _worker_source(scene), "run_worker", "--max-messages", "2", "--idle-exit", "60")
    expect("2 messages handled" in output, output)
    expect(scene.waiting() == 0, "messages are left")
    expect(not scene.youtube.leaks, scene.youtube.leaks)
    return "2 messages handled"


def read(scene: Scene) -> str:
    """Both transcripts, back through the gateway."""
    words = 0
    for video in scene.videos():
        expect(video["status"] == "completed", video)
        transcript = scene.visitor.call("GET", f"/videos/{video['id']}/transcript")
        expect_status(transcript, 200)
        words += len(transcript.json()["content"].split())
        subtitles = scene.visitor.call("GET", f"/videos/{video['id']}/transcript?format=srt")
        expect(subtitles.body.startswith(b"1\n00:00:"), subtitles)
    expect(words > 50, f"there are only {words} words")
    return f"{words} words"


def listen(scene: Scene) -> str:
    """The audio, from the bucket, at an address that the function has signed."""
    heard = next(video for video in scene.videos() if video["source"] == "speech")
    answer = scene.visitor.call("GET", f"/videos/{heard['id']}/audio")
    expect_status(answer, 302)
    address = answer.headers["location"]
    expect("Signature" in address, address)
    with urllib.request.urlopen(address, timeout=30) as audio:  # noqa: S310 - our own bucket
        sound = audio.read()
    expect(len(sound) > 10_000, f"it has {len(sound)} bytes")
    return f"{len(sound) // 1000} kB"


def sweep(scene: Scene) -> str:
    """A job whose message was never sent is sent when the schedule's minute comes."""
    answer = scene.visitor.call("POST", "/analyze", {"url": "https://youtu.be/SampleGone1"})
    expect_status(answer, 202)
    scene.aws.client("sqs").purge_queue(QueueUrl=scene.outputs["JobsUrl"])
    scene.database.tell("UPDATE videos SET enqueued_at = NULL WHERE status = 'queued'")
    rules = scene.aws.client("events").list_rules(NamePrefix=FUNCTION)["Rules"]
    expect([rule["ScheduleExpression"] for rule in rules] == ["rate(1 minute)"], rules)
    for outcome in scene.aws.fire(rules[0]["Name"]):
        expect(outcome.error is None, outcome)
    expect(scene.waiting() == 1, f"{scene.waiting()} messages are in the queue")
    return str(rules[0]["Name"])


def delete(scene: Scene) -> str:
    """Rows and files, until the bucket is empty."""
    for video in scene.videos():
        expect_status(scene.visitor.call("DELETE", f"/videos/{video['id']}"), 204)
    left = scene.aws.client("s3").list_objects_v2(Bucket=scene.outputs["MediaBucket"]).get("Contents", [])
    expect(not left and not scene.videos(), left)
    return "the bucket is empty"


def _worker_source(scene: Scene) -> Path:
    """As ``deploy_worker.sh`` packs it, but for the certificate authority of RDS."""
    packed, folder = scene.folder / "worker.tar.gz", scene.folder / "worker"
    scene.run(str(ROOT / "deploy_worker.sh"), "pack", str(packed))
    folder.mkdir()
    scene.run("tar", "-xzf", str(packed), "-C", str(folder))
    authority = folder / authority_in(scene.worker_env.read_text())
    expect(authority.is_file(), f"The database URL names {authority.name}, which the worker's source lacks")
    authority.write_bytes(scene.database.authority.read_bytes())
    return folder


def _worker(scene: Scene, source: Path, *arguments: str) -> str:
    lines = [line.split("=", 1) for line in scene.worker_env.read_text().splitlines() if line]
    environment = {name: value.strip("'") for name, value in lines} | scene.youtube.environment()
    environment |= {
        "PATH": os.environ["PATH"],
        "HOME": str(scene.folder),
        "TMPDIR": str(scene.folder),
        "AWS_ENDPOINT_URL": scene.aws.endpoint,
        "AWS_ACCESS_KEY_ID": scene.resources["WorkerRole"],
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command,
        cwd=source,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    expect(done.returncode == 0, done.stdout)
    return done.stdout
