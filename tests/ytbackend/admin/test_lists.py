"""Lists that staff can use with a million rows."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.admin_lists import LAST_PAGE, ROWS_A_PAGE
from tests import builders
from tests.tokens import ALICE, BOB
from videos import admin_search
from videos.models import UserQuota, Video

pytestmark = pytest.mark.django_db

LIST = "/admin/videos/video/"


def titles(browser, **query) -> list[str]:
    shown = browser.get(LIST, query).content.decode()
    return re.findall(r"field-name[^>]*>\s*<a [^>]*>([^<]*)</a>", shown)


def aged(video: Video, **age) -> Video:
    Video.objects.filter(pk=video.pk).update(created_at=timezone.now() - timedelta(**age))
    return video


def test_it_counts_no_table(viewer, django_assert_max_num_queries):
    for _ in range(3):
        builders.completed()

    with django_assert_max_num_queries(10) as asked:
        viewer.get(LIST)

    assert [query["sql"] for query in asked if "COUNT" in query["sql"]] == []


def test_it_shows_the_newest_first_and_leads_on_to_the_next_page(viewer):
    for number in range(ROWS_A_PAGE + 1):
        aged(builders.queued(title=f"n{number}"), minutes=number)

    first, second = viewer.get(LIST).content.decode(), titles(viewer, p="2")

    assert titles(viewer)[0] == "n0"
    assert 'rel="next"' in first
    assert second == [f"n{ROWS_A_PAGE}"]


def test_the_last_page_has_no_next_one(viewer):
    builders.queued()

    assert 'rel="next"' not in viewer.get(LIST).content.decode()


def test_a_page_beyond_the_last_is_no_error(viewer):
    builders.queued()

    assert viewer.get(LIST, {"p": LAST_PAGE}).status_code == 200
    assert viewer.get(LIST, {"p": LAST_PAGE + 1}, follow=True).status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "failed"}, ["private"]),
        ({"state": "completed"}, ["done"]),
        ({"code": "video_private"}, ["private"]),
        ({"source": "captions"}, ["done"]),
        ({"language": "en"}, ["done"]),
        ({"age": "day"}, ["private"]),
        ({"age": "older"}, ["done"]),
        ({"state": "failed", "age": "older"}, []),
    ],
)
def test_it_is_narrowed_down(viewer, query, found):
    aged(builders.completed(title="done"), days=40)
    builders.failed(title="private")

    assert titles(viewer, **query) == found


def test_it_finds_what_is_stuck(viewer, settings):
    builders.completed(), builders.processing(title="at work")
    Video.objects.filter(pk=builders.queued(title="sent").pk).update(enqueued_at=timezone.now())
    builders.queued(title="never sent")
    lost = builders.processing(title="lost")
    Video.objects.filter(pk=lost.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))

    assert sorted(titles(viewer, state="stuck")) == ["lost", "never sent"]


@pytest.mark.parametrize(
    "term",
    [
        "{id}",
        "{hex}",
        " {id} ",
        "a11ce",
        "https://youtu.be/dQw4w9WgXcQ?t=5",
        "m.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://www.youtube.com/shorts/dQw4w9WgXcQ",
        "dQw4w9WgXcQ",
        "a11ce@example.com",
        "a11ce@",
        ALICE,
        ALICE.replace("-", ""),
        "honey BEES",
        "programming",
    ],
)
def test_it_finds_a_video_by_whatever_a_user_says_of_it(viewer, term):
    video = builders.queued(ALICE, title="Honey bees: programming a11ce", youtube_id="dQw4w9WgXcQ")
    builders.queued(BOB, title="Wasps")

    assert titles(viewer, q=term.format(id=video.pk, hex=video.pk.hex)) == [video.title]


@pytest.mark.parametrize("term", ["hornets", "{", "0" * 32, "nobody@example.com", "youtu.be/AAAAAAAAAAA", "%", "\\"])
def test_it_finds_nothing_for_what_no_video_has(viewer, term):
    builders.queued(title="Wasps")

    assert titles(viewer, q=term) == []


@pytest.mark.parametrize("term", ["dQw4w9WgXcQ", "https://youtu.be/AAAAAAAAAAA", "a11ce@example.com", ALICE, "0" * 32])
def test_only_words_are_looked_for_in_titles(viewer, django_assert_max_num_queries, term):
    builders.queued(youtube_id="dQw4w9WgXcQ")

    with django_assert_max_num_queries(14) as asked:
        viewer.get(LIST, {"q": term})

    assert [query["sql"] for query in asked if " LIKE " in query["sql"].upper()] == []


def test_titles_are_looked_through_from_the_newest_back_to_a_bound(viewer, monkeypatch):
    monkeypatch.setattr(admin_search, "TITLES_A_SEARCH", 1)
    aged(builders.queued(title="old bees"), days=2)
    aged(builders.queued(title="new bees"), days=1)

    assert titles(viewer, q="bees") == ["new bees"]


def test_the_filters_offer_the_values_that_there_are(viewer):
    builders.failed(code="no_captions"), builders.failed(code="video_private"), builders.failed(code="no_captions")

    shown = viewer.get(LIST).content.decode()

    assert re.findall(r"\?code=(\w+)", shown) == ["no_captions", "video_private"]


def test_a_list_joins_nothing(viewer, django_assert_max_num_queries):
    builders.completed()

    for address in (LIST, "/admin/transcripts/transcript/"):
        with django_assert_max_num_queries(12) as asked:
            viewer.get(address)
        assert [q["sql"] for q in asked if " JOIN " in q["sql"] and "auth_" not in q["sql"]] == []


def test_a_transcript_is_found_as_its_video_is(viewer):
    transcript = builders.completed(title="Bees", youtube_id="dQw4w9WgXcQ").transcript
    builders.completed(title="Wasps")

    for term in ("bees", "dQw4w9WgXcQ", str(transcript.video_id), str(transcript.pk)):
        shown = viewer.get("/admin/transcripts/transcript/", {"q": term}).content.decode()
        assert "1 transcript" in shown


def test_a_user_is_found_by_id_and_by_the_beginning_of_the_address(viewer):
    builders.user(ALICE), builders.user(BOB)

    for term in (ALICE, "a11ce@exam", "A11CE"):
        shown = viewer.get("/admin/accounts/user/", {"q": term}).content.decode()
        assert "1 user" in shown


def test_a_user_s_page_tells_what_the_user_has(viewer):
    builders.completed(ALICE), builders.queued(ALICE)

    shown = viewer.get(f"/admin/accounts/user/{ALICE}/change/").content.decode()

    assert f'<a href="/admin/videos/video/?q={ALICE}">1 completed, 1 queued</a>' in shown


def test_a_users_page_leads_to_the_quotas_that_were_granted(viewer):
    user = builders.queued().user
    page = f"/admin/accounts/user/{ALICE}/change/"
    link = f'<a href="/admin/videos/userquota/?q={ALICE}">{{}}</a>'

    assert link.format("those of the settings") in viewer.get(page).content.decode()
    UserQuota.objects.create(user=user, videos=7)
    assert link.format("granted to this user") in viewer.get(page).content.decode()
    assert ALICE in viewer.get("/admin/videos/userquota/", {"q": ALICE}).content.decode()
