"""Which addresses are YouTube's own: nothing else is ever asked, whatever an answer of YouTube's names."""

import re
from urllib.parse import urlsplit

# Pages, captions and what plays them; and the media. With TLS, so that no other machine answers under these names.
_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*(?:youtube\.com|googlevideo\.com)(?::443)?", re.IGNORECASE)


def is_youtubes(url: object) -> bool:
    """Whether a request there reaches YouTube and nobody else.

    No other scheme or port, no user's name, no address in numbers, and nothing that two parsers could read in two
    ways (https://portswigger.net/web-security/ssrf/url-validation-bypass-cheat-sheet).
    """
    if not isinstance(url, str) or not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and _HOSTS.fullmatch(parts.netloc) is not None
