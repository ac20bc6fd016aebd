"""Which addresses the worker may ask."""

import pytest

from transcripts.worker.youtube_hosts import is_youtubes


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=abcdefghijk",
        "https://youtube.com/",
        "https://music.youtube.com:443/youtubei/v1/player",
        "https://rr3---sn-4g5e6nsz.googlevideo.com/videoplayback?expire=1&sig=a%2Fb",
        "https://WWW.YouTube.com/api/timedtext",
    ],
)
def test_it_asks_youtube(url):
    assert is_youtubes(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://www.youtube.com/watch?v=abcdefghijk", id="without TLS"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("file://www.youtube.com/etc/passwd", id="a file of theirs"),
        pytest.param("data:text/plain,a", id="data"),
        pytest.param("ftp://www.youtube.com/", id="ftp"),
        pytest.param("gopher://www.youtube.com/", id="gopher"),
        pytest.param("//www.youtube.com/", id="no scheme"),
        pytest.param("https://169.254.169.254/latest/meta-data/", id="the machine's credentials"),
        pytest.param("https://[fd00:ec2::254]/", id="the same in IPv6"),
        pytest.param("https://127.0.0.1/", id="this machine"),
        pytest.param("https://2130706433/", id="this machine as a number"),
        pytest.param("https://localhost/", id="this machine's name"),
        pytest.param("https://10.0.0.1/", id="a private network"),
        pytest.param("https://example.com/", id="a stranger"),
        pytest.param("https://youtube.com.example.com/", id="a stranger's subdomain"),
        pytest.param("https://notyoutube.com/", id="a stranger with a like name"),
        pytest.param("https://youtube.com@example.com/", id="a user at a stranger's"),
        pytest.param("https://user@www.youtube.com/", id="a user"),
        pytest.param("https://www.youtube.com:8443/", id="another port"),
        pytest.param("https://www.youtube.com:443@example.com/", id="a port that is a password"),
        pytest.param("https://example.com\\.youtube.com/", id="a backslash"),
        pytest.param("https://example.com#.youtube.com/", id="a fragment"),
        pytest.param("https://example.com?.youtube.com/", id="a query"),
        pytest.param("https://example.com\n.youtube.com/", id="a new line"),
        pytest.param("https://example.com%2f.youtube.com/", id="a slash in disguise"),
        pytest.param("https://www.youtube.com./", id="a dot at the end"),
        pytest.param("https://www.you\u200btube.com/", id="a space that nobody sees"),
        pytest.param("https://www.youtube。com/", id="another dot"),
        pytest.param("https://[www.youtube.com/", id="half a bracket"),
        pytest.param("https:///", id="nobody"),
        pytest.param("", id="nothing"),
        pytest.param(None, id="no text"),
    ],
)
def test_it_asks_nobody_else(url):
    assert not is_youtubes(url)
