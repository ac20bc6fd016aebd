"""``/admin/``: how the service is."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests import builders
from tests.ytbackend.admin.conftest import member_of
from videos import rollup
from videos.models import Attempt, Breaker, Video
from ytbackend import front_page, groups

pytestmark = pytest.mark.django_db


def figures_in(shown: str) -> dict[str, dict]:
    found = re.search(r'<script id="figures" type="application/json">(.*?)</script>', shown, re.DOTALL)
    return {figure["id"]: figure for figure in json.loads(found[1])}


def card(shown: str, name: str) -> str:
    found = re.search(rf'<span class="card-name">{name}</span>\s*<span class="card-number"[^>]*>([^<]*)<', shown)
    return found[1]


def test_it_shows_how_many_videos_are_in_which_state(viewer):
    builders.queued(), builders.processing(), builders.completed(), builders.failed(), builders.failed()
    rollup.roll_up()

    shown = viewer.get("/admin/").content.decode()

    assert [card(shown, state) for state in Video.Status.values] == ["1", "1", "1", "2"]


def test_what_is_under_way_is_counted_as_it_is_now(viewer):
    rollup.roll_up()
    builders.queued()

    assert card(viewer.get("/admin/").content.decode(), "queued") == "1"


def test_it_says_since_when_the_oldest_waits_and_what_was_never_sent(viewer):
    builders.queued()
    Video.objects.filter(pk=builders.queued().pk).update(enqueued_at=timezone.now() - timedelta(hours=3))

    shown = viewer.get("/admin/").content.decode()

    assert "the longest for 3 h, 1 not sent" in shown


def test_it_draws_jobs_by_hour_and_by_day(viewer):
    builders.completed()
    rollup.roll_up()

    figures = figures_in(viewer.get("/admin/").content.decode())

    assert [len(figures[name]["labels"]) for name in ("jobs-hours", "jobs-days")] == [48, 30]
    for name in ("jobs-hours", "jobs-days"):
        assert [figures[name]["series"][kind][-1] for kind in ("submitted", "completed", "failed")] == [1, 1, 0]


def test_it_draws_how_long_was_waited_and_worked(viewer):
    video = builders.completed()
    now = timezone.now()
    Attempt.objects.filter(video=video).update(
        requested_at=now - timedelta(seconds=110), started_at=now - timedelta(seconds=100), ended_at=now
    )
    rollup.roll_up()

    shown = viewer.get("/admin/").content.decode()

    last = {label: values[-1] for label, values in figures_in(shown)["times-hours"]["series"].items()}
    assert last == {
        "waiting, median": pytest.approx(10, rel=0.1),
        "waiting, 95th": pytest.approx(10, rel=0.1),
        "working, median": pytest.approx(100, rel=0.1),
        "working, 95th": pytest.approx(100, rel=0.1),
    }


def test_it_draws_what_youtube_refused_by_kind(viewer):
    builders.processing().release("source_refused", "Not now.", delay=60)
    builders.processing().release("source_rate_limited", "Not now.", delay=60)
    rollup.roll_up()

    series = figures_in(viewer.get("/admin/").content.decode())["refusals-hours"]["series"]

    assert {code: values[-1] for code, values in series.items()} == {"source_refused": 1, "source_rate_limited": 1}


def test_every_plot_can_be_read_as_a_table(viewer):
    builders.completed()
    rollup.roll_up()

    shown = viewer.get("/admin/").content.decode()

    assert shown.count("<summary>As a table</summary>") == shown.count("<canvas ") == 4
    assert f'<th scope="row">{timezone.now():%d %b}</th><td>1</td><td>1</td><td>0</td>' in shown


def test_it_says_why_videos_failed_and_leads_to_them(viewer):
    builders.failed(code="no_captions")
    rollup.roll_up()

    shown = viewer.get("/admin/").content.decode()

    assert '<a href="/admin/videos/video/?code=no_captions">no_captions</a></th><td>1</td><td>1</td>' in shown


def test_it_says_that_youtube_refuses_and_when_it_is_asked_again(viewer):
    breaker = Breaker.objects.youtube()
    for _ in range(3):
        breaker.failed("source_refused")

    shown = viewer.get("/admin/").content.decode()

    assert card(shown, "YouTube") == "refuses"
    assert "source_refused since" in shown


def test_it_says_who_uses_the_service(viewer):
    builders.completed(duration_ms=3_600_000 * 5)
    rollup.roll_up()

    shown = viewer.get("/admin/").content.decode()

    assert "a11ce@example.com</a></th><td>1</td><td>0 s</td><td>5 h</td>" in shown


def test_it_says_of_when_its_figures_are_and_that_nothing_was_counted_yet(viewer):
    assert "is <code>manage.py sweep</code> run every minute?" in viewer.get("/admin/").content.decode()

    builders.queued()
    rollup.roll_up()

    assert f"the plots of {timezone.now():%-d %b}" in viewer.get("/admin/").content.decode()


def test_tiles_that_are_not_of_now_say_how_old_they_are(viewer):
    assert card(viewer.get("/admin/").content.decode(), "completed") == "–"
    builders.completed()
    rollup.roll_up(now=timezone.now() - timedelta(minutes=7))

    shown = viewer.get("/admin/").content.decode()

    assert card(shown, "completed") == "1"
    assert shown.count("counted 7 min ago") == 3  # completed, failed, users


def test_it_asks_few_questions_however_much_there_is(viewer, django_assert_max_num_queries):
    for _ in range(5):
        builders.completed(), builders.failed(), builders.queued()
    rollup.roll_up()

    with django_assert_max_num_queries(18) as asked:
        viewer.get("/admin/")

    counted = [query["sql"] for query in asked if "COUNT" in query["sql"] and "status" not in query["sql"]]
    assert counted == []


def test_the_queue_is_asked_by_a_request_of_its_own(viewer, sqs, settings):
    sqs.send_message(QueueUrl=settings.SQS_QUEUE_URL, MessageBody="{}")

    assert viewer.get("/admin/queue").json() == {
        "waiting": 1,
        "in_flight": 0,
        "delayed": 0,
        "dead": None,
        "error": "",
    }


def test_it_tells_the_dead_letters(viewer, sqs, settings):
    dead = sqs.create_queue(QueueName="front-page-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    sqs.set_queue_attributes(QueueUrl=settings.SQS_QUEUE_URL, Attributes={"RedrivePolicy": policy})
    sqs.send_message(QueueUrl=dead, MessageBody="{}")

    assert viewer.get("/admin/queue").json()["dead"] == 1


def test_a_queue_that_is_silent_is_said_to_be_within_seconds(viewer, silent_queue):
    began = timezone.now()

    error = viewer.get("/admin/queue").json()["error"]

    assert "The queue does not answer" in error
    assert timezone.now() - began < timedelta(seconds=4)


def test_it_shows_no_figures_to_staff_without_a_group(db):
    browser = Client()
    browser.force_login(User.objects.create(id="new", is_staff=True), backend="ytbackend.staff.LocalAccounts")

    shown = browser.get("/admin/").content.decode()

    assert "figures" not in shown
    assert "add you to the group “viewers”" in shown


def test_the_queue_is_shown_to_who_may_see_videos_alone(db):
    assert member_of(sub="new").get("/admin/queue").status_code == 403


def test_a_stranger_is_sent_to_the_door(client):
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/queue").status_code == 302


def test_no_page_has_styles_scripts_or_handlers_within(viewer):
    video = builders.completed(title="<img src=x onerror=alert(1)>")
    rollup.roll_up()
    pages = ["/admin/", "/admin/videos/video/", f"/admin/videos/video/{video.pk}/change/", "/admin/accounts/user/"]

    for address in pages:
        answer = viewer.get(address)
        shown = answer.content.decode()
        assert "script-src 'self' 'unsafe-eval'; style-src 'self';" in answer["Content-Security-Policy"]
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*(?:src=|application/json))[^>]*>", shown) == []
        assert "<img src=x" not in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (0.5, "0.5 s"), (75, "75 s"), (600, "10 min"), (9000, "2.5 h"), (3e5, "3.47 d")]
)
def test_a_length_of_time_is_said_in_two_or_three_figures(seconds, said):
    assert front_page._spelled(seconds) == said


def test_migrate_makes_the_groups_with_their_permissions():
    Group.objects.all().delete()
    Permission.objects.all().delete()
    call_command("migrate", verbosity=0)
    seen = User.objects.create(id="seen")
    seen.groups.set([Group.objects.get(name=groups.VIEWERS)])

    assert seen.has_perms(["videos.view_video", "videos.view_attempt", "transcripts.view_transcript"])
    assert not seen.has_perm("videos.change_video")
