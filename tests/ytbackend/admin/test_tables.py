"""What staff see."""

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, User
from tests import builders
from tests.tokens import BOB
from transcripts.segments import Segment
from videos import quotas
from videos.models import Breaker, Deletion, Usage, UserQuota, Video

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", "correct horse battery", email="root@example.com"))
    return browser


@pytest.fixture
def rows():
    hostile = [Segment(61_000, 62_000, "<script>alert(1)</script>")]
    video = builders.completed(title="<b>Bees</b>", youtube_id="dQw4w9WgXcQ", segments=hostile)
    Deletion.objects.create(prefix=video.files_prefix)
    Breaker.objects.youtube().failed("source_refused")
    key, _ = ApiKey.objects.issue(video.user, name="backup", scopes=["read"], expires_at=timezone.now())
    Usage.objects.add(video.user_id, Usage.Kind.SUBMISSIONS, video.created_at.date(), 7)
    UserQuota.objects.create(user=video.user, videos=3)
    return {
        User: video.user,
        ApiKey: key,
        Video: video,
        type(video.transcript): video.transcript,
        Deletion: Deletion.objects.get(),
        Breaker: Breaker.objects.get(),
        Usage: Usage.objects.get(),
        UserQuota: UserQuota.objects.get(),
    }


def page(model, name, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def test_it_logs_in_a_local_account_by_its_name_where_that_is_switched_on(rows, settings):
    settings.ADMIN_LOCAL_LOGIN = True
    User.objects.create_superuser("root", "correct horse battery")

    answer = Client().post("/admin/login/?next=/admin/", {"username": "root", "password": "correct horse battery"})

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_it_shows_every_table(staff, rows):
    for model, row in rows.items():
        assert staff.get(page(model, "changelist")).status_code == 200
        assert staff.get(page(model, "change", row.pk)).status_code == 200


def test_it_shows_what_became_of_each_attempt(staff, rows):
    video = builders.processing()
    video.release("source_refused", "YouTube is refusing requests.", delay=60)

    shown = staff.get(page(Video, "change", video.pk)).content.decode()

    assert "failed for now: it is tried again" in shown
    assert "YouTube is refusing requests." in shown


@pytest.mark.parametrize("words", ["dQw4w9WgXcQ", "bees", "a11ce@example.com", "{id}"])
def test_it_finds_a_video_by_id_youtube_id_title_and_address(staff, rows, words):
    found = staff.get(page(Video, "changelist"), {"q": words.format(id=rows[Video].pk)}).content.decode()

    assert "1 video" in found


def test_it_finds_no_video_for_words_that_no_video_has(staff, rows):
    assert "0 videos" in staff.get(page(Video, "changelist"), {"q": "wasps"}).content.decode()


def test_it_shows_a_transcript_with_its_times_and_runs_no_markup_of_strangers(staff, rows):
    transcript = rows[Video].transcript

    shown = staff.get(page(type(transcript), "change", transcript.pk)).content.decode()

    assert "watch?v=dQw4w9WgXcQ&amp;t=61s" in shown
    assert ">1:01</a> &lt;script&gt;" in shown
    assert "<script>alert" not in shown


def test_it_keeps_the_text_out_of_the_list_of_transcripts(staff, rows, django_assert_max_num_queries):
    with django_assert_max_num_queries(8) as queries:
        staff.get(page(type(rows[Video].transcript), "changelist"))

    assert not [query for query in queries if '"segments"' in query["sql"] or "`segments`" in query["sql"]]


def test_it_lets_nobody_write_what_the_machine_writes(staff, rows):
    for model in (Video, type(rows[Video].transcript), Deletion, Usage):
        assert staff.get(page(model, "add")).status_code == 403
        assert staff.post(page(model, "delete", rows[model].pk), {"post": "yes"}).status_code == 403
        assert staff.post(page(model, "change", rows[model].pk), {"status": "failed"}).status_code == 403


def test_it_shows_of_a_key_neither_the_key_nor_its_hash(staff, rows):
    key = rows[ApiKey]

    shown = [staff.get(page(ApiKey, *where)).content.decode() for where in (("changelist",), ("change", key.pk))]

    assert [key.prefix in html for html in shown] == [True, True]
    assert [key.digest in html for html in shown] == [False, False]


def test_it_revokes_a_key_but_makes_and_changes_none(staff, rows):
    key = rows[ApiKey]
    assert staff.get(page(ApiKey, "add")).status_code == 403
    assert staff.post(page(ApiKey, "change", key.pk), {"scope": "read write"}).status_code == 403

    staff.post(page(ApiKey, "delete", key.pk), {"post": "yes"})

    assert not ApiKey.objects.exists()
    assert key.digest not in str(list(LogEntry.objects.values()))


def test_it_grants_one_user_more_and_takes_it_back(staff, rows):
    other = builders.user(BOB)

    staff.post(page(UserQuota, "add"), {"user": other.pk, "submissions_per_day": "1000"})
    granted = quotas.standing(other.pk).submissions.limit
    staff.post(page(UserQuota, "change", other.pk), {"submissions_per_day": "5", "gigabytes": "0"})
    less = quotas.standing(other.pk)
    staff.post(page(UserQuota, "delete", other.pk), {"post": "yes"})

    assert (granted, less.submissions.limit, less.bytes.limit) == (1000, 5, None)
    assert quotas.standing(other.pk).submissions.limit == 100


def test_it_switches_a_user_off(staff, rows):
    user = rows[User]

    staff.post(page(User, "change", user.pk), {"is_active": ""})

    user.refresh_from_db()
    assert not user.is_active


def test_an_operator_switches_users_off_and_no_staff(operator, rows):
    root = User.objects.create_superuser("root", "correct horse battery")
    colleague = User.objects.create(id="colleague", is_staff=True)
    hidden = User.objects.create(id="hidden", is_superuser=True)

    for user in (rows[User], root, colleague, hidden):
        assert operator.post(page(User, "change", user.pk), {"is_active": ""}).status_code == 302

    assert set(User.objects.filter(is_active=False)) == {rows[User]}


def test_an_operator_signs_users_out_and_no_staff(operator, rows):
    User.objects.create_superuser("root", "correct horse battery")
    chosen = [rows[User].pk, "root", "operator"]

    deed = {"action": "sign_out_everywhere", "_selected_action": chosen}
    said = operator.post(page(User, "changelist"), deed, follow=True).content.decode()

    assert set(User.objects.filter(tokens_valid_after__isnull=False)) == {rows[User]}
    assert "1 signed out" in said
    assert "2 left as they were, because they are staff: ask a superuser" in said


def test_a_superuser_signs_staff_out(staff, operator):
    staff.post(page(User, "changelist"), {"action": "sign_out_everywhere", "_selected_action": ["operator"]})

    assert User.objects.get(pk="operator").tokens_valid_after


def test_it_lets_only_superusers_make_staff(rows, rf):
    request = rf.get("/")
    request.user = rows[User]

    assert "is_superuser" in site.get_model_admin(User).get_readonly_fields(request)
