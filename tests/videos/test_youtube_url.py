"""Which links mean one YouTube video, and what a person is told about those that do not."""

import contextlib
import re
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from videos.youtube_url import InvalidYouTubeURL, thumbnail_url, video_id, watch_url

ID = "a_B-c9XyZ01"

VIDEOS = [
    # the forms that YouTube's own buttons and address bar give
    f"https://www.youtube.com/watch?v={ID}",
    f"https://youtu.be/{ID}",
    f"https://youtu.be/{ID}?si=AbCdEfGhIjKlMnOp",
    f"https://youtu.be/{ID}?t=42",
    f"https://www.youtube.com/shorts/{ID}",
    f"https://youtube.com/shorts/{ID}?feature=share",
    f"https://www.youtube.com/live/{ID}?si=x",
    f"https://www.youtube.com/embed/{ID}?start=30&rel=0",
    f"https://www.youtube-nocookie.com/embed/{ID}",
    f"https://youtube-nocookie.com/embed/{ID}",
    f"https://m.youtube.com/watch?v={ID}",
    f"https://music.youtube.com/watch?v={ID}&list=RDAMVM{ID}",
    f"https://gaming.youtube.com/watch?v={ID}",
    # older forms
    f"http://www.youtube.com/v/{ID}",
    f"http://www.youtube-nocookie.com/v/{ID}",
    f"https://www.youtube.com/e/{ID}",
    f"https://www.youtube.com/watch/{ID}",
    f"https://www.youtube.com/watch_popup?v={ID}",
    f"https://www.youtube.com/?v={ID}",
    f"https://youtu.be/watch?v={ID}",
    # how people write them
    f"youtube.com/watch?v={ID}",
    f"www.youtube.com/watch?v={ID}",
    f"youtu.be/{ID}",
    f"//www.youtube.com/watch?v={ID}",
    f"HTTPS://WWW.YouTube.COM/watch?v={ID}",
    f"  https://youtu.be/{ID}\r\n",
    f"\u00a0https://youtu.be/{ID}\u00a0",
    f"https://youtu.be/{ID}/",
    f"https://www.youtube.com/watch/?v={ID}",
    f"https://www.youtube.com/watch?v={ID}#t=1m",
    f"http://www.youtube.com:80/watch?v={ID}",
    f"https://www.youtube.com:443/watch?v={ID}",
    f"youtube.com:443/watch?v={ID}",
    # more fields than one
    f"https://www.youtube.com/watch?list=PL0123456789ABCDEF&index=3&v={ID}",
    f"https://www.youtube.com/watch?&&v={ID}&",
    f"https://www.youtube.com/watch?feature=player_embedded&amp;v={ID}",
    f"https://www.youtube.com/watch?feature=player_embedded&amp;amp;v={ID}",
    f"https://www.youtube.com/watch?v={ID}&v=ZZZZZZZZZZZ",
    f"https://www.youtube.com/watch?v={quote(ID).replace('_', '%5F')}",
    f"https://www.youtube.com/watch?v={ID}&title=%22quoted%22",
    # links that lead to a video
    f"https://www.youtube.com/attribution_link?a=x&u=%2Fwatch%3Fv%3D{ID}%26feature%3Dshare",
    f"https://www.youtube.com/attribution_link?u=/watch?v={ID}&feature=share",
    f"https://www.youtube.com/attribution_link?u=https%3A%2F%2Fyoutu.be%2F{ID}",
    f"https://www.youtube.com/attribution_link?u=HTTP%3A%2F%2Fyoutu.be%2F{ID}",
    f"https://www.youtube.com/attribution_link/?u=/shorts/{ID}",
]


@pytest.mark.parametrize("url", VIDEOS)
def test_it_finds_the_video_a_link_means(url: str) -> None:
    assert video_id(url) == ID


PLAYLIST = "This is a playlist"
CHANNEL = "This is a channel"
NOT_A_LINK = "This is not a link"
NOT_YOUTUBE = "not to YouTube"
NO_VIDEOS_HERE = "This address of YouTube shows no videos"
NOT_ONE_VIDEO = "does not show one video"
STUCK = "is something stuck to"
CUT_OFF = "was the link cut off?"
ODD_CHARACTER = "a character that no YouTube link has"

NO_VIDEOS = [
    ("", "There is no link"),
    (" \n", "There is no link"),
    # not links
    (ID, f"paste {watch_url(ID)}"),
    ("hello", NOT_A_LINK),
    ("https://", NOT_A_LINK),
    ("https:///watch?v=" + ID, NOT_A_LINK),
    (f"https:www.youtube.com/watch?v={ID}", NOT_A_LINK),
    ("http://2130706433/", NOT_A_LINK),
    # elsewhere
    ("https://vimeo.com/12345", "“vimeo.com”, not to YouTube"),
    (f"https://youtube.com.evil.example/watch?v={ID}", NOT_YOUTUBE),
    (f"https://notyoutube.com/watch?v={ID}", NOT_YOUTUBE),
    (f"https://youtu.be.evil.example/{ID}", NOT_YOUTUBE),
    (f"https://invidious.example/watch?v={ID}", NOT_YOUTUBE),
    (f"https://evil.example/?u=https://www.youtube.com/watch?v={ID}", NOT_YOUTUBE),
    (f"https://evil.example#www.youtube.com/watch?v={ID}", NOT_YOUTUBE),
    ("http://169.254.169.254/latest/meta-data/", NOT_YOUTUBE),
    (f"https://[::1]/watch?v={ID}", NOT_A_LINK),
    (f"https://www.youtube.com]/watch?v={ID}", NOT_A_LINK),
    (f"https://{'a' * 100}.example/", NOT_A_LINK),
    # parts of YouTube without videos
    ("https://studio.youtube.com/video/x/edit", NO_VIDEOS_HERE),
    (f"https://img.youtube.com/vi/{ID}/0.jpg", NO_VIDEOS_HERE),
    (f"https://.youtube.com/watch?v={ID}", NO_VIDEOS_HERE),
    (f"https://www.youtube.com./watch?v={ID}", NO_VIDEOS_HERE),
    (f"https://youtu.be./{ID}", NO_VIDEOS_HERE),
    (f"https://www.youtu.be/{ID}", NO_VIDEOS_HERE),
    (f"https://m.youtube-nocookie.com/embed/{ID}", NO_VIDEOS_HERE),
    (f"https://www.youtube-nocookie.com/watch?v={ID}", "only has embedded videos"),
    (f"https://www.youtube-nocookie.com/shorts/{ID}", "only has embedded videos"),
    # schemes, user names, ports
    ("file:///etc/passwd", "starts with file:"),
    (f"javascript://www.youtube.com/watch?v={ID}", "starts with javascript:"),
    (f"vnd.youtube://{ID}", "starts with vnd.youtube:"),
    ("a" * 500 + "://www.youtube.com", f"starts with {'a' * 20}:,"),
    (f"https://someone@youtube.com/watch?v={ID}", "user name"),
    (f"https://www.youtube.com@evil.example/watch?v={ID}", "user name"),
    (f"https://www.youtube.com:8443/watch?v={ID}", "names a port"),
    (f"https://www.youtube.com:99999/watch?v={ID}", "names a port"),
    (f"https://www.youtube.com:80/watch?v={ID}", "names a port"),
    (f"http://www.youtube.com:443/watch?v={ID}", "names a port"),
    (f"https://www.youtube.com:/watch?v={ID}", "names a port"),
    # pages
    ("https://www.youtube.com", "home page"),
    ("https://www.youtube.com/", "home page"),
    (f"https://www.youtube.com?v={ID}", "home page"),
    (f"https://www.youtube.com/#/watch?v={ID}", "home page"),
    (f"https://youtu.be/?v={ID}", "home page"),
    ("https://www.youtube.com/playlist?list=PL0123456789ABCDEF", PLAYLIST),
    ("https://www.youtube.com/watch?list=PL0123456789ABCDEF", PLAYLIST),
    ("https://www.youtube.com/embed/videoseries?list=PL0123456789ABCDEF", PLAYLIST),
    ("https://www.youtube.com/embed/live_stream?channel=UCx", "streaming now"),
    ("https://www.youtube.com/@abcdefghijk", CHANNEL),
    ("https://youtu.be/@abcdefghij", CHANNEL),
    ("https://www.youtube.com/channel/UCabcdefghijklmnopqrstuv", CHANNEL),
    ("https://www.youtube.com/c/name/live", CHANNEL),
    (f"https://www.youtube.com/user/name#p/u/1/{ID}", CHANNEL),
    ("https://www.youtube.com/results?search_query=x", "search results"),
    ("https://music.youtube.com/search?q=x", "search results"),
    ("https://www.youtube.com/hashtag/x", "search results"),
    ("https://www.youtube.com/feed/subscriptions", "list of videos"),
    ("https://music.youtube.com/browse/MPREb_abc", "album"),
    ("https://www.youtube.com/show/SC123", "series"),
    ("https://www.youtube.com/clip/Ugkx123", "clip"),
    ("https://www.youtube.com/post/Ugkx123", "post"),
    (f"https://www.youtube.com/redirect?q=https%3A%2F%2Fyoutu.be%2F{ID}", "leads away"),
    (f"https://www.youtube.com/signin?next=%2Fwatch%3Fv%3D{ID}", "sign-in"),
    (f"https://www.youtube.com/{ID}", NOT_ONE_VIDEO),
    (f"https://www.youtube.com/w/{ID}", NOT_ONE_VIDEO),
    (f"https://www.youtube.com/watch/x/{ID}", NOT_ONE_VIDEO),
    (f"https://www.youtube.com//watch?v={ID}", "home page"),
    (f"https://www.youtube.com/WATCH?v={ID}", NOT_ONE_VIDEO),
    (f"https://youtu.be/shorts/{ID}", NOT_ONE_VIDEO),
    ("https://www.youtube.com/shorts/", "names no video"),
    ("https://www.youtube.com/live", "ends before the id"),
    ("https://youtu.be/watch", "no v="),
    ("https://www.youtube.com/watch?feature=share", "no v="),
    (f"https://www.youtube.com/watch#v={ID}", "no v="),
    ("https://www.youtube.com/watch?v=", "ends before the id"),
    (f"https://www.youtube.com/watch?v=&v={ID}", "ends before the id"),
    # ids
    (f"https://youtu.be/{ID[:10]}", f"10 characters instead of 11: {CUT_OFF}"),
    (f"https://youtu.be/{ID}whatever", f"19 characters instead of 11: {STUCK}"),
    (f"https://youtu.be/{ID})", f"characters that no id has: {STUCK}"),
    (f"https://youtu.be/{ID}&feature=share", STUCK),
    (f"https://www.youtube.com/watch?v={ID}?t=3", STUCK),
    (f"https://www.youtube.com/watch?v={ID}%0A", STUCK),
    (f"https://www.youtube.com/watch?v={ID[:10]}%20", STUCK),
    ("https://www.youtube.com/watch?v=a_B-c9X+Z01", "characters that no id has"),
    (f"https://www.youtube.com/watch?v={ID[:10]}%D9%A3", STUCK),
    # characters
    (f"https://youtu.be/{ID} https://youtu.be/ZZZZZZZZZZZ", "more than one link"),
    (f"https://youtu.be/{ID}\nhttps://evil.example/", "more than one link"),
    (f"youtu.be/{ID} YouTube.com/watch?v={ID}", "more than one link"),
    (f"Look: https://youtu.be/{ID}", "a blank inside"),
    (f"https://youtu.be/{ID[:5]}\t{ID[5:]}", ODD_CHARACTER),
    (f"https://youtu.be/{ID}\x00", ODD_CHARACTER),
    (f"https://youtu.be/{ID}\x7f", ODD_CHARACTER),
    (f"https://youtu.be/{ID}\u200b", ODD_CHARACTER),
    (f"https://youtu.be/{ID[:10]}٣", ODD_CHARACTER),
    (f"https://www.yоutube.com/watch?v={ID}", ODD_CHARACTER),
    (f"https://youtube。com/watch?v={ID}", ODD_CHARACTER),
    (f"https://evil.example\\@youtube.com/watch?v={ID}", "backslash"),
    (f'https://youtu.be/{ID}"', "quotes"),
    (f"'https://youtu.be/{ID}'", "quotes"),
    (f"<https://youtu.be/{ID}>", "angle brackets"),
    # links that lead elsewhere
    (f"https://www.youtube.com/attribution_link?u=https%3A%2F%2Fevil.example%2Fwatch%3Fv%3D{ID}", NOT_YOUTUBE),
    (f"https://www.youtube.com/attribution_link?u=%2F%2Fevil.example%2Fwatch%3Fv%3D{ID}", "does not say which video"),
    (f"https://www.youtube.com/attribution_link?u=javascript:%2F%2Fyoutu.be%2F{ID}", "does not say which video"),
    ("https://www.youtube.com/attribution_link?a=x", "does not say which video"),
    (f"https://www.youtube.com/attribution_link?u=%2Fwatch%3Fv%3D{ID}%00", ODD_CHARACTER),
    (
        f"https://www.youtube.com/attribution_link?u=%2Fattribution_link%3Fu%3D%2Fwatch%253Fv%253D{ID}",
        NOT_ONE_VIDEO,
    ),
    (f"https://youtu.be/attribution_link?u=/watch?v={ID}", "16 characters"),
]


@pytest.mark.parametrize(("url", "told"), NO_VIDEOS)
def test_it_refuses_what_is_no_single_video_and_says_why(url: str, told: str) -> None:
    with pytest.raises(InvalidYouTubeURL) as refusal:
        video_id(url)

    assert told in str(refusal.value)


def test_it_takes_a_link_of_2048_characters() -> None:
    assert video_id(f"https://youtu.be/{ID}?x=".ljust(2048, "a")) == ID


def test_it_refuses_a_link_of_2049_characters() -> None:
    with pytest.raises(InvalidYouTubeURL, match="longer than 2048"):
        video_id(f"https://youtu.be/{ID}?x=".ljust(2049, "a"))


@pytest.mark.parametrize("text", ["a.", "x y ", "\x00", "https://", "&v="])
def test_it_judges_a_megabyte_by_its_length_alone(text: str) -> None:
    with pytest.raises(InvalidYouTubeURL, match="longer than 2048"):
        video_id("a" + text * 500_000)


@pytest.mark.parametrize("hostile", ["<script>", "\x1b[31m", "\u202e", "%0d%0a", "'; DROP TABLE"])
def test_it_repeats_nothing_hostile(hostile: str) -> None:
    for url in (hostile, f"https://{hostile}.com/", f"https://youtu.be/{hostile}", f"{hostile}://youtu.be/{ID}"):
        with pytest.raises(InvalidYouTubeURL) as refusal:
            video_id(url)

        assert hostile not in str(refusal.value)


def test_its_own_address_of_a_video_means_that_video() -> None:
    assert video_id(watch_url(ID)) == ID


def test_a_thumbnail_is_one_that_every_video_has() -> None:
    assert thumbnail_url(ID) == f"https://i.ytimg.com/vi/{ID}/hqdefault.jpg"


NEAR_LINKS = st.lists(
    st.one_of(
        st.sampled_from(
            ["https://", "//", "www.", "youtube.com", "youtu.be", "/watch?v=", "/embed/", "/attribution_link?u="]
        ),
        st.sampled_from(
            [ID, "@", ":443", ":", "?", "#", "&", "&amp;", "%2F", "%", "[", "]", "\\", "\n", " ", "v=", "list="]
        ),
        st.text(max_size=12),
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(NEAR_LINKS)
@example("https://[youtube.com]/watch?v=" + ID)
@example("https://www.youtube.com:٣/watch?v=" + ID)
def test_whatever_comes_it_answers_an_id_or_refuses(url: str) -> None:
    with contextlib.suppress(InvalidYouTubeURL):
        assert re.fullmatch("[A-Za-z0-9_-]{11}", video_id(url))
