"""Which video does a pasted link mean? Pure functions over text: no network, no Django.

A link is taken apart, eleven characters are taken out, and everything else is thrown away: what the
worker hands to yt-dlp is rebuilt by ``watch_url``, so nothing a user typed ever reaches the network.
Links are refused rather than guessed at: a shortened, stuck-together or look-alike link means that
somebody made a mistake, or is trying to make us make one.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

MAX_CHARACTERS = 2048

_EXAMPLE = "https://www.youtube.com/watch?v=…"
_BLANKS = " \t\r\n\u00a0"  # what comes along when a link is copied out of a page or a letter
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
# Both have eleven characters, but name what stands after them: /embed/videoseries?list=…, /embed/live_stream?channel=…
_NO_IDS = {
    "videoseries": "This is a playlist. Paste the link of one video.",
    "live_stream": "This is whatever a channel is streaming now. Paste the link of one video.",
}

_SHORT_HOST = "youtu.be"
_EMBED_HOSTS = frozenset({"youtube-nocookie.com", "www.youtube-nocookie.com"})
_WATCH_HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "gaming.youtube.com"})

_WATCH_PAGES = frozenset({"watch", "watch_popup"})  # the id is in v=
_FOLDERS = frozenset({"embed", "e", "v", "shorts", "live", "watch"})  # the id is the next part of the path
_EMBED_FOLDERS = frozenset({"embed", "v"})
_OTHER_PAGES = {
    "playlist": "This is a playlist. Paste the link of one video.",
    "show": "This is a series. Paste the link of one video.",
    "browse": "This is an album or a collection. Paste the link of one video.",
    "channel": "This is a channel. Paste the link of one video.",
    "c": "This is a channel. Paste the link of one video.",
    "user": "This is a channel. Paste the link of one video.",
    "results": "This is a page of search results. Paste the link of one video.",
    "search": "This is a page of search results. Paste the link of one video.",
    "hashtag": "This is a page of search results. Paste the link of one video.",
    "feed": "This is a list of videos. Paste the link of one video.",
    "clip": "This is a clip, whose link does not say which video it is from. Paste the link of the video itself.",
    "post": "This is a post of a channel. Paste the link of one video.",
    "redirect": "This link leads away from YouTube. Paste the link of one video.",
    "signin": "This is a sign-in page. Paste the link of the video itself.",
}

# RFC 3986, appendix B, for links that may lack their scheme; it matches every text of one line in linear time.
_LINK = re.compile(
    r"(?:(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?//)?"
    r"(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?"
)


class InvalidYouTubeURL(ValueError):
    """No single YouTube video is meant. ``str()`` is a sentence for the person who pasted the link."""


class _Link(NamedTuple):
    host: str
    path: str
    query: str


def video_id(url: str) -> str:
    """Return the eleven characters of the one video that a link means; raise :class:`InvalidYouTubeURL` otherwise.

    Accepted are http, https or no scheme, YouTube's own hosts (an exact list), and the pages that show
    one video: ``watch?v=``, ``youtu.be/``, ``shorts/``, ``live/``, ``embed/`` and their older forms.
    Where ``v=`` stands twice the first counts, as on YouTube; ``list=`` beside it is ignored.
    """
    link = _taken_apart(url)
    if link.host in _WATCH_HOSTS and link.path.removesuffix("/") == "/attribution_link":
        link = _target_of_attribution(link)
    return _id_in(link)


def watch_url(youtube_id: str) -> str:
    """Return the one form of a video's address that is stored, shown and handed to yt-dlp."""
    return f"https://www.youtube.com/watch?v={youtube_id}"


def thumbnail_url(youtube_id: str) -> str:
    """Return the address of a still of 480 by 360 pixels; the larger sizes are missing for some videos."""
    return f"https://i.ytimg.com/vi/{youtube_id}/hqdefault.jpg"


def _taken_apart(url: str) -> _Link:
    """Return host (lower case, one of YouTube's), path and query of a link without tricks."""
    text = url.strip(_BLANKS)
    if not text:
        raise InvalidYouTubeURL(f"There is no link. Paste the link of a YouTube video, such as {_EXAMPLE}")
    if len(text) > MAX_CHARACTERS:
        raise InvalidYouTubeURL(f"This is longer than {MAX_CHARACTERS} characters. Paste only the link of the video.")
    _refuse_characters(text)
    if _ID.fullmatch(text):
        raise InvalidYouTubeURL(f"This is not a link. If it is the id of a video, paste {watch_url(text)}")

    match = _LINK.fullmatch(text)
    assert match is not None  # noqa: S101 - every text without line breaks matches
    scheme, authority = (match["scheme"] or "").lower(), match["authority"].lower()
    if scheme not in ("", "http", "https"):
        raise InvalidYouTubeURL(f"This link starts with {scheme[:20]}:, but must start with https:, as in {_EXAMPLE}")
    if "@" in authority:
        raise InvalidYouTubeURL("This link has a user name in front of its host (an @), which no YouTube link has.")
    host, colon, port = authority.partition(":")
    if host not in _WATCH_HOSTS | _EMBED_HOSTS | {_SHORT_HOST}:
        raise InvalidYouTubeURL(_why_not_this_host(host))
    if colon and port != ("80" if scheme == "http" else "443"):
        raise InvalidYouTubeURL("This link names a port, which YouTube has no videos on. Paste it without the port.")
    return _Link(host, match["path"], match["query"] or "")


def _refuse_characters(text: str) -> None:
    """Refuse characters that have no place in a link, and that programs disagree about how to read."""
    words = text.split()
    if len(words) > 1 and sum("://" in word or "youtu" in word.lower() for word in words) > 1:
        raise InvalidYouTubeURL("This is more than one link. Submit one video at a time.")
    if len(words) > 1 and text.isprintable():
        raise InvalidYouTubeURL("There is a blank inside this link. Paste only the link of the video.")
    if not (text.isascii() and text.isprintable()):
        raise InvalidYouTubeURL("This link has a character that no YouTube link has. Copy it from YouTube once more.")
    if any(character in text for character in "\\\"'<>"):
        raise InvalidYouTubeURL(
            "This link has quotes, angle brackets or a backslash. Paste only the link of the video."
        )


def _why_not_this_host(host: str) -> str:
    """Return the sentence for a host that is none of YouTube's, or not one that shows videos."""
    if "." not in host or not re.fullmatch(r"[a-z0-9.-]{1,80}", host):
        return f"This is not a link. Paste the link of a YouTube video, such as {_EXAMPLE}"
    if ("." + host.rstrip(".")).endswith((".youtube.com", ".youtu.be", ".youtube-nocookie.com")):
        return "This address of YouTube shows no videos. Open the video on www.youtube.com and paste its link."
    return f"This is a link to “{host}”, not to YouTube. Paste the link of a YouTube video."


def _target_of_attribution(link: _Link) -> _Link:
    """Return where ``/attribution_link?u=…`` leads: a path on YouTube, or a whole link to it."""
    target = _first(link.query, "u") or ""
    if target.startswith("/") and not target.startswith("//"):
        target = "https://www.youtube.com" + target
    if not target.lower().startswith(("https://", "http://")):
        raise InvalidYouTubeURL("This link does not say which video it leads to. Paste the link of the video itself.")
    return _taken_apart(target)


def _id_in(link: _Link) -> str:
    """Return the id that a page of YouTube shows, by the page's place in the path."""
    parts = link.path.removesuffix("/").split("/")[1:]
    if link.host == _SHORT_HOST and len(parts) == 1 and parts != ["watch"]:
        return _checked(parts[0])
    if link.host in _EMBED_HOSTS:
        if len(parts) == 2 and parts[0] in _EMBED_FOLDERS:
            return _checked(parts[1])
        raise InvalidYouTubeURL(f"This address of YouTube only has embedded videos. Paste a link such as {_EXAMPLE}")

    is_watch_page = len(parts) == 1 and parts[0] in _WATCH_PAGES
    if is_watch_page or (link.path == "/" and link.host != _SHORT_HOST and _first(link.query, "v") is not None):
        return _id_in_query(link.query)
    if len(parts) == 2 and parts[0] in _FOLDERS and link.host != _SHORT_HOST:
        return _checked(parts[1])
    raise InvalidYouTubeURL(_why_not_this_page(parts))


def _id_in_query(query: str) -> str:
    candidate = _first(query, "v")
    if candidate is not None:
        return _checked(candidate)
    if _first(query, "list") is not None:
        raise InvalidYouTubeURL(_OTHER_PAGES["playlist"])
    raise InvalidYouTubeURL(f"This link has no v= that names a video. Was it cut off? It should be like {_EXAMPLE}")


def _first(query: str, name: str) -> str | None:
    """Return the first value of a field, also an empty one; None where the field is missing.

    A link copied from a page's source has ``&amp;`` for ``&``.
    """
    for key, value in parse_qsl(query, keep_blank_values=True):
        if re.sub(r"^(?:amp;)+", "", key) == name:
            return value
    return None


def _checked(candidate: str) -> str:
    """Return ``candidate`` if it is a video's id, or a sentence about what it is."""
    if candidate in _NO_IDS:
        raise InvalidYouTubeURL(_NO_IDS[candidate])
    if _ID.fullmatch(candidate):
        return candidate
    if not candidate:
        raise InvalidYouTubeURL(f"This link ends before the id of the video. It should be like {_EXAMPLE}")
    if candidate.startswith("@"):
        raise InvalidYouTubeURL(_OTHER_PAGES["channel"])
    if not re.fullmatch(r"[A-Za-z0-9_-]+", candidate):
        raise InvalidYouTubeURL("The id of the video has characters that no id has: is something stuck to the link?")
    guess = "was the link cut off?" if len(candidate) < 11 else "is something stuck to its end?"
    raise InvalidYouTubeURL(f"The id of the video has {len(candidate)} characters instead of 11: {guess}")


def _why_not_this_page(parts: list[str]) -> str:
    """Return the sentence for a page of YouTube that does not show one video."""
    page = parts[0] if parts else ""
    if not page:
        return f"This is YouTube's home page. Paste the link of one video, such as {_EXAMPLE}"
    if parts == ["shorts"]:
        return "This link of YouTube Shorts names no video. Open the Short and paste its link."
    if len(parts) == 1 and page in _FOLDERS:
        return f"This link ends before the id of the video. It should be like {_EXAMPLE}"
    if page.startswith("@"):
        return _OTHER_PAGES["channel"]
    return _OTHER_PAGES.get(page, f"This page of YouTube does not show one video. Paste a link such as {_EXAMPLE}")
