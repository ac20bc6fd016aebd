"""Pages of a list: each row once, whatever happens between two of them, and cursors that strangers make up."""

import base64
import json
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import builders
from videos.models import Video
from ytbackend import pagination

pytestmark = pytest.mark.django_db(transaction=True)

BOTH_WAYS = pytest.mark.parametrize("ordering", ["title", "-title"])


def walk(client, address, *, along="next") -> Iterator[list[str]]:
    """The ids of each page, following the links to the end; a walk that goes round in circles fails."""
    seen = set()
    while address:
        assert address not in seen, "round in circles"
        seen.add(address)
        answer = client.get(address)
        assert answer.status_code == 200, answer.content
        yield [video["id"] for video in answer.json()["results"]]
        address = answer.json()[along]


def titled(*titles: str) -> None:
    for title in titles:
        builders.queued(title=title)


def many(count: int, **columns) -> None:
    first = builders.queued(**columns)
    Video.objects.bulk_create(
        Video(user=first.user, youtube_id=f"many{number:07}", url=first.url, **columns) for number in range(1, count)
    )


# --- every row once


@BOTH_WAYS
def test_titles_that_the_database_takes_for_equal_come_once_each(alice, ordering):
    titled("Hello", "HELLO", "hello", "Héllo", "b")
    (all_at_once,) = walk(alice, f"/videos?ordering={ordering}&page_size=100")

    one_by_one = list(walk(alice, f"/videos?ordering={ordering}&page_size=1"))

    assert one_by_one == [[video] for video in all_at_once]
    assert len(set(all_at_once)) == 5


@BOTH_WAYS
def test_the_way_back_is_the_way_there(alice, ordering):
    titled("Hello", "HELLO", "hello", "Héllo", "b")
    there = list(walk(alice, f"/videos?ordering={ordering}&page_size=1"))
    address = f"/videos?ordering={ordering}&page_size=1"
    while following := alice.get(address).json()["next"]:
        address = following

    assert list(walk(alice, address, along="previous")) == there[::-1]


@BOTH_WAYS
def test_no_number_of_equal_titles_is_too_many(alice, ordering):
    many(1300)

    pages = list(walk(alice, f"/videos?ordering={ordering}&page_size=100"))

    assert [len(page) for page in pages] == [100] * 13
    assert len(set(sum(pages, []))) == 1300


@pytest.mark.parametrize("title", ["日本語の題名" * 13 + "です", "🙂" * 500, "\"\\/'%_" * 80])
def test_any_title_can_be_the_end_of_a_page(alice, title):
    titled(title, title)

    assert [len(page) for page in walk(alice, "/videos?ordering=title&page_size=1")] == [1, 1]


def test_rows_that_are_deleted_between_two_pages_take_no_other_with_them(alice):
    titled(*"abcdef")
    first = alice.get("/videos?ordering=title&page_size=2").json()
    Video.objects.filter(title__in="bc").delete()  # where the first page ended, and where the second would begin

    rest = sum(walk(alice, first["next"]), [])

    assert [Video.objects.get(pk=video).title for video in rest] == ["d", "e", "f"]


def test_a_row_that_is_added_between_two_pages_repeats_none(alice):
    titled("a", "b", "c")
    first = alice.get("/videos?page_size=2").json()
    titled("newer")

    rest = sum(walk(alice, first["next"]), [])

    assert [Video.objects.get(pk=video).title for video in rest] == ["a"]


# --- the links


def test_the_page_before_the_second_is_the_first(alice):
    titled(*"abcde")
    first = alice.get("/videos?ordering=title&page_size=2").json()
    second = alice.get(first["next"]).json()

    assert alice.get(second["previous"]).json() == first


def test_the_page_after_the_one_before_is_the_same_again(alice):
    titled(*"abcde")
    second = alice.get(alice.get("/videos?ordering=title&page_size=2").json()["next"]).json()
    first = alice.get(second["previous"]).json()

    assert alice.get(first["next"]).json() == second


@pytest.mark.parametrize("count", [3, 4])
def test_only_the_first_page_has_none_before_and_only_the_last_none_after(alice, count):
    titled(*"abcd"[:count])
    first = alice.get("/videos?page_size=2").json()
    last = alice.get(first["next"]).json()

    assert (first["previous"], last["next"]) == (None, None)
    assert last["previous"] is not None


def test_a_list_that_fits_on_one_page_has_no_links(alice):
    titled("a", "b")
    page = alice.get("/videos?page_size=2").json()

    assert (page["previous"], page["next"]) == (None, None)


def test_the_links_keep_what_was_asked_for(alice):
    titled("a bee", "b", "c bee", "d bee")

    pages = walk(alice, "/videos?search=bee&ordering=-title&page_size=2")

    assert [[Video.objects.get(pk=video).title for video in page] for page in pages] == [["d bee", "c bee"], ["a bee"]]


# --- cursors that are not ours


def cursor(*position: object) -> str:
    """A cursor as we make them, which a stranger can make as well."""
    return encoded(json.dumps(position))


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


SOMEBODY = str(uuid.UUID(int=1))
NOON = "2026-01-01T12:00:00+00:00"


@pytest.mark.parametrize(
    "bad",
    [
        encoded("p=0001-01-01 00:00:00+00:00"),
        encoded("p=9999-12-31 23:59:59+00:00"),
        encoded("p=2026-01-01 12:00:00"),
        encoded("o=1&r=1&p=x"),
        cursor("-created_at", "0001-01-01T00:00:00+00:00", SOMEBODY, False),
        cursor("-created_at", "0001-01-01T00:00:00+14:00", SOMEBODY, False),
        cursor("-created_at", "9999-12-31T23:59:59.999999+00:00", SOMEBODY, False),
        cursor("-created_at", "9999-12-31T23:59:59.999999-12:00", SOMEBODY, True),
        cursor("-created_at", "2026-01-01T12:00:00", SOMEBODY, False),
        cursor("-created_at", "2026-01-01", SOMEBODY, False),
        cursor("-created_at", "2026-13-32T25:61:61+00:00", SOMEBODY, False),
        cursor("-created_at", "yesterday", SOMEBODY, False),
        cursor("-created_at", "", SOMEBODY, False),
        cursor("-created_at", None, SOMEBODY, False),
        cursor("-created_at", 1_767_268_800, SOMEBODY, False),
        cursor("-created_at", [NOON], SOMEBODY, False),
        cursor("-created_at", NOON, 1, False),
        cursor("-created_at", NOON, "somebody", False),
        cursor("-created_at", NOON, "\x00", False),
        cursor("-created_at", NOON, SOMEBODY, "no"),
        cursor("-created_at", NOON, SOMEBODY, 0),
        cursor("-created_at", NOON, SOMEBODY),
        cursor("-created_at", NOON, SOMEBODY, False, False),
        cursor("-id", NOON, SOMEBODY, False),
        cursor("user__email", NOON, SOMEBODY, False),
        cursor(["-created_at"], NOON, SOMEBODY, False),
        encoded("null"),
        encoded("7"),
        encoded('"four"'),
        encoded('{"a": 1, "b": 2, "c": 3, "d": false}'),
        encoded("[" * 2500),
        encoded("NaN"),
        encoded("\x00"),
        "A" * 3999,
        "A" * 4001,
        "A" * 8000,
        "\x00",
        "é",
        "=",
        "not a cursor",
    ],
)
def test_a_cursor_that_we_have_not_made_is_refused_by_name(alice, bad):
    titled("a")

    answer = alice.get(f"/videos?cursor={quote(bad)}")

    assert answer.status_code == 400
    assert [place["parameter"] for place in answer.json()["errors"]] == ["cursor"]


@pytest.mark.parametrize("title", ["\x00", "a\x00b", "\ud800"])
def test_a_cursor_with_a_title_that_cannot_be_is_refused_by_name(alice, title):
    titled("a")

    answer = alice.get(f"/videos?ordering=title&cursor={cursor('title', title, SOMEBODY, False)}")

    assert answer.status_code == 400
    assert [place["parameter"] for place in answer.json()["errors"]] == ["cursor"]


@pytest.mark.parametrize(("made_for", "used_for"), [("title", "-title"), ("-title", "title"), ("-created_at", "title")])
def test_a_cursor_of_another_order_is_refused_by_name(alice, made_for, used_for):
    titled("a", "b")
    following = alice.get(f"/videos?ordering={made_for}&page_size=1").json()["next"]

    answer = alice.get(following.replace(f"ordering={made_for}", f"ordering={used_for}"))

    assert answer.status_code == 400
    assert [place["parameter"] for place in answer.json()["errors"]] == ["cursor"]


def test_a_cursor_shows_nobody_the_rows_of_another(alice, bob):
    titled("a", "b")
    following = alice.get("/videos?page_size=1").json()["next"]

    assert bob.get(following).json() == {"next": None, "previous": None, "results": []}


# --- what a page costs


def cost(client, address) -> tuple[int, str]:
    """How many queries a page takes; and the page after it."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    return len(queries), answer.json()["next"]


@pytest.mark.parametrize("ordering", ["title", "-created_at"])
def test_every_page_takes_as_many_queries_as_one_of_a_single_row(alice, ordering):
    many(61)
    alice.get("/me")  # the first request writes down who she is
    single, _ = cost(alice, f"/videos?ordering={ordering}&page_size=1")
    following, found = f"/videos?ordering={ordering}&page_size=20", []
    while following:
        queries, following = cost(alice, following)
        found.append(queries)

    assert found == [single] * 4


@pytest.mark.django_db
def test_statements_of_rare_pages_are_forgotten_again(alice):
    for number in range(1, 80):
        alice.get(f"/videos?page_size={number}")

    assert pagination._statement.cache_info().currsize <= 64
