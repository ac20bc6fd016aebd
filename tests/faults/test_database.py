"""Rows D: what a database may do to statements and connections, and what must not come of it."""

import contextlib
import datetime
from collections.abc import Iterator

import MySQLdb
import pytest

from tests.faults.hooks import Sleep
from tests.faults.proxy import Commit, Loss, Statement
from tests.faults.world import World
from videos.models import Deletion, Video

pytestmark = pytest.mark.faults

COMPLETION = b"INSERT INTO `transcripts`"
CLAIM = (b"UPDATE `videos`", b"`attempt` + 1")
MAX_CONNECTIONS = 10  # the least that MariaDB takes


def at_work_on_one(world: World) -> Video:
    """A worker is in the middle of a job that takes as long as it must."""
    video = world.submit(world.clip().hold())
    world.worker()
    world.wait_until_reading(video)
    return video


@contextlib.contextmanager
def variable(world: World, name: str, value: object, before: object) -> Iterator[None]:
    """The server's, for a while; sessions that exist keep theirs."""
    with contextlib.closing(world.server.connect()) as root, root.cursor() as cursor:
        cursor.execute(f"SET GLOBAL {name} = %s", [value])
        try:
            yield
        finally:
            cursor.execute(f"SET GLOBAL {name} = %s", [before])


def take_every_connection(world: World, held: contextlib.ExitStack) -> None:
    """Raises what the server says to the one that is too many."""
    for _ in range(MAX_CONNECTIONS + 2):
        held.enter_context(contextlib.closing(world.connect_as_app()))


def logs(world: World) -> str:
    return "".join(process.log() for process in world.processes)


def test_d01_a_claim_whose_connection_breaks_is_made_again(world):
    video = world.submit()
    loss = Loss(Statement(*CLAIM), times=2)
    with world.database.follow(loss):
        world.worker()
        world.wait_until(video, "completed")

    assert loss.count == 2
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_d01_a_claim_whose_commit_was_not_answered_is_known_again(world):
    video = world.submit()
    loss = Loss(Commit(after=CLAIM[1]), reply=True)
    with world.database.follow(loss):
        world.worker()
        world.wait_until(video, "completed")

    assert loss.count == 1
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_d02_a_completion_that_was_not_answered_is_known_again(world):
    video = world.submit()
    loss = Loss(Commit(after=COMPLETION), reply=True)
    with world.database.follow(loss):
        world.worker()
        world.wait_for(lambda: world.waiting() == 0, "the message is cleared away")

    assert loss.count == 1
    assert len(world.objects(video)) == 1
    world.converge()
    assert world.outcomes(video) == ["completed"]
    assert world.now(video).fence == 1


def test_d03_a_completion_that_never_arrived_is_written_again_without_the_work(world):
    video = world.submit()
    loss = Loss(Commit(after=COMPLETION))
    with world.database.follow(loss):
        world.worker()
        world.wait_until(video, "completed")

    assert loss.count == 1
    world.converge()
    assert world.outcomes(video) == ["completed"]
    assert world.text(video).endswith("1")
    assert world.now(video).fence == 1


def test_d04_a_database_that_refuses_for_longer_than_a_lease_costs_no_work(world):
    video = at_work_on_one(world)
    with world.database.refuse():
        world.clip_of(video).let_go()
        world.let_pass(7)  # more than two leases
    world.wait_until(video, "completed")

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_d05_a_database_that_falls_silent_is_given_up_in_time(world):
    video = world.submit(world.clip().hold())
    worker = world.worker()
    world.wait_until_reading(video)
    with world.database.black_hole():
        world.clip_of(video).let_go()
        world.wait_for(lambda: "the database failed" in worker.log(), "the worker notices the silence")
    world.wait_until(video, "completed")

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_d06_connections_that_break_again_and_again_cost_nobody_his_video(world):
    videos = [world.submit() for _ in range(10)]
    world.workers(2)
    world.sweeper()
    for _ in range(20):
        world.database.hang_up()
        world.let_pass(0.15)

    world.converge()

    assert [world.outcomes(video)[-1:] for video in videos] == [["completed"]] * 10
    assert "a bug" not in logs(world)


def test_d07_a_server_that_is_killed_and_started_again_has_forgotten_nothing(world):
    videos = [world.submit(world.clip().hold()) for _ in range(2)] + [world.submit() for _ in range(4)]
    world.workers(3)
    for video in videos[:2]:
        world.wait_until_reading(video)
    world.wait_for(lambda: Video.objects.filter(status="completed").exists(), "one is completed")

    world.server.kill()
    for video in videos[:2]:
        world.clip_of(video).let_go()
    world.server.start()

    world.converge()
    assert {world.status(video) for video in videos} == {"completed"}
    assert "a bug" not in logs(world)


def test_d08_a_row_that_is_locked_for_too_long_is_written_when_it_is_free(world):
    video = world.submit(world.clip().hold())
    worker = world.worker(LEASE_SECONDS=60)
    world.wait_until_reading(video)
    with contextlib.closing(world.server.connect("transcripts")) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT id FROM videos WHERE id = %s FOR UPDATE", [video.pk.hex])
        world.clip_of(video).let_go()
        world.wait_for(lambda: "1205" in worker.log(), "the worker has waited for too long")
        cursor.execute("ROLLBACK")
    world.wait_until(video, "completed")

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_d08_a_completion_that_is_chosen_as_the_victim_of_a_deadlock_is_written_again(world):
    video = world.submit()
    completing = world.hook("precommit", Sleep(1.5))
    worker = world.worker(completing, LEASE_SECONDS=60)
    with contextlib.closing(world.server.connect("transcripts")) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        # Locks the gap that the transcript will want to go into; and more rows than the worker's make us no victim.
        cursor.execute("SELECT id FROM transcripts WHERE video_id = %s FOR UPDATE", [video.pk.hex])
        cursor.execute("INSERT INTO bookmarks (name, position) SELECT seq, '' FROM seq_1_to_200")
        world.wait_for(lambda: completing.reached, "the worker has written the row, not the transcript")
        cursor.execute("UPDATE videos SET channel = channel WHERE id = %s", [video.pk.hex])
        cursor.execute("ROLLBACK")
    world.wait_until(video, "completed")

    assert "1213" in worker.log()
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_d09_every_script_and_every_odd_character_is_stored_or_left_out(world):
    video = world.submit(world.clip(words="🎬 日本語 NUL\x00 half\ud83d quoted'\\\""))

    world.converge()

    assert world.outcomes(video) == ["completed"]
    assert "🎬 日本語" in world.text(video)


def test_d09_a_transcript_that_no_statement_can_carry_fails_at_once(world):
    video = world.submit(world.clip(words="word " * 400_000, lines=8))

    world.converge()

    assert world.outcomes(video) == ["failed"]
    assert world.now(video).error_code == "transcript_too_large"


def test_d10_a_connection_that_the_server_has_closed_is_replaced_unseen(world):
    api = world.api(role="lambda")
    assert api.call("GET", "/videos").status == 200
    with contextlib.closing(world.server.connect()) as root, root.cursor() as cursor:
        asleep = "SELECT id FROM information_schema.processlist WHERE user = 'app'"
        world.wait_for(lambda: cursor.execute(asleep) == 1, "a connection is kept")
        cursor.execute("KILL %s", cursor.fetchone())
        world.wait_for(lambda: cursor.execute(asleep) == 0, "the server has closed it")
    assert api.call("GET", "/videos").status == 200
    assert api.call("POST", "/analyze", {"url": "https://youtu.be/dQw4w9WgXcQ"}).status == 202


def test_d11_a_server_that_is_read_only_for_a_while_costs_no_work(world):
    video = at_work_on_one(world)
    videos = [world.submit() for _ in range(4)]
    with variable(world, "read_only", 1, 0):
        world.clip_of(video).let_go()
        world.let_pass(4)
    world.wait_until(video, "completed")

    world.converge()

    assert [world.status(video) for video in [*videos, video]] == ["completed"] * 5
    assert world.outcomes(video) == ["completed"]
    assert "a bug" not in logs(world)


def test_d12_a_server_without_a_free_connection_costs_no_work(world):
    video = at_work_on_one(world)
    with variable(world, "max_connections", MAX_CONNECTIONS, 151), contextlib.ExitStack() as held:
        world.database.hang_up()
        with pytest.raises(MySQLdb.OperationalError, match="1040"):
            take_every_connection(world, held)
        world.clip_of(video).let_go()
        world.let_pass(4)

    world.converge()

    assert world.status(video) == "completed"
    assert "a bug" not in logs(world)


def test_d13_a_column_is_added_while_workers_are_busy(world):
    videos = [world.submit() for _ in range(12)]
    world.workers(3)
    with contextlib.closing(world.server.connect("transcripts")) as root, root.cursor() as cursor:
        cursor.execute("SET lock_wait_timeout = 5")
        world.wait_for(lambda: Video.objects.filter(status="completed").exists(), "they are busy")
        cursor.execute("ALTER TABLE videos ADD COLUMN added VARCHAR(10) NULL")
        try:
            world.converge()
        finally:
            cursor.execute("ALTER TABLE videos DROP COLUMN added")

    assert [world.outcomes(video) for video in videos] == [["completed"]] * 12
    assert "a bug" not in logs(world)


def test_d14_many_workers_sweeps_and_deletions_on_few_rows_do_not_trip_over_each_other(world):
    videos = [world.submit() for _ in range(20)]
    world.workers(4)
    for _ in range(2):
        world.sweeper(RESEND_AFTER_SECONDS=0)
    api = world.api()
    for video in videos[::2]:
        for _ in range(2):
            assert api.call("DELETE", f"/videos/{video.pk}").status in (204, 404)

    world.converge()

    assert [world.status(video) for video in videos] == ["deleted", "completed"] * 10
    assert Deletion.objects.count() >= 10
    assert "a bug" not in logs(world)
    assert "was not dealt with" not in logs(world)


def test_d15_a_server_in_another_time_zone_means_the_same_moments(world):
    with variable(world, "time_zone", "+05:30", "SYSTEM"):
        api = world.api()
        video = world.submit(world.clip().hold())
        world.worker()
        world.sweeper()
        world.wait_until_reading(video)
        world.let_pass(3.5)  # more than a lease
        world.clip_of(video).let_go()
        world.converge()
        answer = api.call("GET", f"/videos/{video.pk}").body

    assert world.outcomes(video) == ["completed"]
    times = [answer["created_at"], answer["completed_at"]]
    assert all(time.endswith("Z") for time in times)
    created, completed = (datetime.datetime.fromisoformat(time) for time in times)
    assert datetime.timedelta(0) < completed - created < datetime.timedelta(minutes=2)
