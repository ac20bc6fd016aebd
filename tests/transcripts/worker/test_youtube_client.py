"""A YouTube that means harm, or somebody who speaks in its name: what the real yt-dlp may do in our hands."""

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pytest_django import Settings
from yt_dlp.utils import Popen

from local.youtube import Site, StandIn, Track, Video
from tests.youtube_scenarios import answers, changed, once
from transcripts.worker import alarm, errors, youtube, youtube_client

ROOT = Path(__file__).parents[3]
ID = "abcdefghijk"
ENGLISH = Track("en", [(0, 1500, "Hello."), (1500, 4000, "This is a talk.")])
MEGABYTE = 1_000_000
ELSEWHERE = [
    pytest.param("http://169.254.169.254/latest/meta-data/iam/", id="the machine's credentials"),
    pytest.param("https://127.0.0.1:443/", id="this machine"),
    pytest.param("https://example.com/", id="a stranger"),
    pytest.param("http://www.youtube.com/", id="without TLS"),
    pytest.param("file:///etc/passwd", id="a file"),
    pytest.param("ftp://example.com/a", id="ftp"),
]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    path = tmp_path / "media.webm"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "job"
    path.mkdir()
    return path


@pytest.fixture
def a_video(stand_in: StandIn, media: Path) -> Video:
    """With captions and sound; a test makes it do harm."""
    stand_in.videos[ID] = Video(ID, tracks=[ENGLISH], media=media)
    return stand_in.videos[ID]


def ignore(fraction: float) -> None:
    pass


def asked(stand_in: StandIn, endpoint: str) -> int:
    return sum(request.endpoint == endpoint for request in stand_in.log)


def redirects(where: str, status: int = 302) -> Callable[[Site], bool]:
    return answers(status, Location=where)


def packed(body: bytes) -> Callable[[Site], bool]:
    return answers(200, gzip.compress(body), Content_Encoding="gzip")


# --- whom it asks


@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_fetches_no_sound_from_elsewhere(stand_in, a_video, folder, where):
    changed(a_video, lambda answer: answer["streamingData"]["adaptiveFormats"][-1].update(url=where))

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID).audio(folder, ignore)

    assert (stand_in.leaks, asked(stand_in, "media")) == ([], 0)
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_fetches_no_captions_from_elsewhere(stand_in, a_video, where):
    def point(answer):
        (track,) = answer["captions"]["playerCaptionsTracklistRenderer"]["captionTracks"]
        track["baseUrl"] = f"{where}?lang=en"

    changed(a_video, point)

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID).captions(None)

    assert (stand_in.leaks, asked(stand_in, "timedtext")) == ([], 0)


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_is_not_sent_elsewhere_for_sound(stand_in, a_video, folder, where, status):
    a_video.faults["media"] = redirects(where, status)

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID).audio(folder, ignore)

    assert (stand_in.leaks, asked(stand_in, "media")) == ([], 1)
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_is_not_sent_elsewhere_for_captions(stand_in, a_video, where):
    a_video.faults["timedtext"] = redirects(where)

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID).captions(None)

    assert (stand_in.leaks, asked(stand_in, "timedtext")) == ([], 1)


@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_is_not_sent_elsewhere_for_what_the_video_is(stand_in, a_video, where):
    a_video.faults |= {"watch": redirects(where), "player": redirects(where, 307)}

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID)

    assert stand_in.leaks == []


def test_it_takes_being_sent_to_the_test_for_humans_for_a_refusal(stand_in, a_video):
    a_video.faults |= dict.fromkeys(("watch", "player"), redirects("https://www.google.com/sorry/index?continue=x"))

    with pytest.raises(errors.SourceRefused):
        youtube.extract(ID)

    assert stand_in.leaks == []


def test_it_goes_where_youtube_sends_it_within_itself(stand_in, a_video, media, folder):
    def away(site: Site) -> bool:
        site.reply(302, Location=f"https://rr9---sn-other.googlevideo.com/videoplayback?{urlencode(site.query)}")
        return True

    a_video.faults["media"] = once(away)
    path = youtube.extract(ID).audio(folder, ignore)

    assert path.read_bytes() == media.read_bytes()
    hosts = [request.host for request in stand_in.log if request.endpoint == "media"]
    assert hosts == ["rr1---sn-sample.googlevideo.com", "rr9---sn-other.googlevideo.com"]


def test_it_goes_there_for_captions_and_documents_too(stand_in, a_video):
    def same_again(site: Site) -> bool:
        site.reply(307, Location=f"https://youtube.com{site.path}")
        return True

    a_video.faults |= {endpoint: once(same_again) for endpoint in ("watch", "player", "timedtext")}
    captions = youtube.extract(ID).captions(None)

    assert [segment.text for segment in captions.segments] == ["Hello.", "This is a talk."]


def test_it_does_not_go_round_in_circles(stand_in, a_video, folder):
    def again(site: Site) -> bool:
        site.reply(302, Location=f"https://{site.host}{site.path}")
        return True

    a_video.faults["media"] = again

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID).audio(folder, ignore)

    assert asked(stand_in, "media") == youtube_client.MOST_REDIRECTIONS


# --- how much it reads


@pytest.mark.parametrize("endpoint", ["watch", "player"])
@pytest.mark.parametrize("pack", [lambda body: answers(200, body), packed], ids=["plain", "packed"])
def test_it_stops_reading_a_page_that_has_no_end(a_video, monkeypatch, endpoint, pack):
    monkeypatch.setattr(youtube_client, "MAX_PAGE_BYTES", MEGABYTE)
    honest = a_video.page() if endpoint == "watch" else json.dumps(a_video.answer())
    a_video.faults[endpoint] = pack(honest.encode() + b" " * 4 * MEGABYTE)

    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID)


def test_it_reads_a_page_up_to_its_limit(a_video, monkeypatch):
    page = a_video.page().encode()
    a_video.faults["watch"] = answers(200, page + b" " * (3 * MEGABYTE - len(page)))
    monkeypatch.setattr(youtube_client, "MAX_PAGE_BYTES", 3 * MEGABYTE)

    assert youtube.extract(ID).metadata.title == "A sample"


@pytest.mark.parametrize("document", [b"[" * 200_000, b'{"a":' * 200_000, b"\xff\xfe", b"null", b"[]", b"1e999"])
def test_it_survives_documents_that_are_none(a_video, document):
    a_video.faults["player"] = answers(200, document)

    with pytest.raises(errors.JobError):
        youtube.extract(ID)


def without_length(body: bytes) -> Callable[[Site], bool]:
    """Nobody knows how much there is until the connection ends."""

    def fault(site: Site) -> bool:
        site.send_response(200)
        site.end_headers()
        site.wfile.write(body)
        site.close_connection = True
        return True

    return fault


def claiming(length: int, body: bytes) -> Callable[[Site], bool]:
    def fault(site: Site) -> bool:
        site.send_response(206)
        site.send_header("Content-Length", str(length))
        site.send_header("Content-Range", f"bytes 0-{length - 1}/{length}")
        site.end_headers()
        site.wfile.write(body)
        site.close_connection = True
        return True

    return fault


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(packed(bytes(40 * MEGABYTE)), id="packed"),
        pytest.param(packed(gzip.compress(bytes(40 * MEGABYTE)) * 20), id="packed several times over"),
        pytest.param(without_length(bytes(4 * MEGABYTE)), id="of no length"),
        pytest.param(claiming(100, bytes(4 * MEGABYTE)), id="longer than it says"),
        pytest.param(claiming(10**15, bytes(4 * MEGABYTE)), id="of a petabyte"),
    ],
)
def test_it_keeps_no_more_sound_than_it_may(a_video, settings: Settings, folder, fault):
    settings.MAX_AUDIO_MEGABYTES = 0.3
    a_video.faults["media"] = fault

    with pytest.raises((errors.AudioTooLarge, errors.AudioIncomplete)):
        youtube.extract(ID).audio(folder, ignore)

    assert [*folder.iterdir()] == []


# --- what it does with names and words


@pytest.mark.parametrize(
    "kind",
    [
        'audio/../../../../tmp/evil; codecs="opus"',
        'audio/webm/../x; codecs="opus"',
        'audio/sh; codecs="opus"',
        'audio/\x00; codecs="opus"',
    ],
)
def test_it_names_files_itself(a_video, folder, kind):
    def rename(answer):
        answer["streamingData"]["adaptiveFormats"][-1]["mimeType"] = kind
        answer["videoDetails"]["title"] = "../../../evil"

    changed(a_video, rename)
    path = youtube.extract(ID).audio(folder, ignore)

    assert path.parent == folder
    assert path.name in ("audio.webm", "audio.bin")
    assert [*folder.iterdir()] == [path]


@pytest.mark.parametrize("odd", [None, 7, 1e308, True, [], ["a"], {}, {"simpleText": "a"}])
@pytest.mark.parametrize("name", ["title", "author", "lengthSeconds", "channelId", "isLiveContent", "keywords"])
def test_it_takes_no_harm_from_words_that_are_something_else(a_video, name, odd):
    changed(a_video, lambda answer: answer["videoDetails"].update({name: odd}))

    try:
        about = youtube.extract(ID).metadata
    except errors.JobError:
        return
    assert (type(about.title), type(about.channel)) == (str, str)
    assert about.duration_ms is None or isinstance(about.duration_ms, int)


@pytest.mark.parametrize("odd", [None, -1, "x", 10**30, [], {}])
@pytest.mark.parametrize("name", ["itag", "bitrate", "contentLength", "mimeType", "url", "audioTrack", "language"])
def test_it_takes_no_harm_from_formats_that_are_something_else(a_video, folder, name, odd):
    changed(a_video, lambda answer: answer["streamingData"]["adaptiveFormats"][-1].update({name: odd}))

    try:
        youtube.extract(ID).audio(folder, ignore)
    except errors.JobError:
        assert [*folder.iterdir()] == []


def test_it_cuts_a_title_of_a_megabyte_and_keeps_nobody_from_reading_it(a_video):
    title = "\u202eevil\u2066\x1b]0;x\x07 \u2028\r\n" + "e\u0301" * 500_000
    changed(a_video, lambda answer: answer["videoDetails"].update(title=title))

    said = youtube.extract(ID).metadata.title

    assert said.startswith("evil ]0;x e\u0301")
    assert len(said) == 500


# --- what lies about on the machine


PROGRAM = """
import django; django.setup()
from transcripts.worker import errors, youtube
try: youtube.extract('abcdefghijk')
except errors.JobError as error: print(error.code)
else: print('found')
"""


def run(program: Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """In an environment that someone may have prepared."""
    kept = {name: value for name, value in os.environ.items() if name != "YTDLP_NO_PLUGINS"}
    kept |= {"DJANGO_SETTINGS_MODULE": "ytbackend.settings", "YOUTUBE_RETRIES": "0", "DJANGO_DEBUG": "true"}
    kept["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, str(program)], cwd=cwd, env=kept | environment, capture_output=True, text=True
    )


PLACES = [
    "beside",
    "cwd",
    "path",
    "home/.config/yt-dlp/plugins/a",
    "home/.config/yt-dlp-plugins/b",
    "home/.yt-dlp/plugins/c",
    "home/yt-dlp-plugins/d",
    "config/yt-dlp/plugins/e",
    "config/yt-dlp-plugins/f",
]


@pytest.mark.parametrize("switch", [{}, {"YTDLP_NO_PLUGINS": ""}], ids=["unset", "empty"])
@pytest.mark.parametrize("config", ["home/.config", "config"])
def test_it_runs_nobodys_plugins(tmp_path, switch, config):
    for place in PLACES:
        for kind in ("extractor", "postprocessor"):
            plugin = tmp_path / place / "yt_dlp_plugins" / kind / f"from_{place.replace('/', '_')}.py"
            plugin.parent.mkdir(parents=True)
            plugin.write_text(f"print('a plugin ran: {place}')")
    program = tmp_path / "beside" / "worker.py"
    program.write_text(PROGRAM)

    finished = run(
        program,
        tmp_path / "cwd",
        YOUTUBE_PROXY_URL="http://127.0.0.1:9",
        HOME=str(tmp_path / "home"),
        XDG_CONFIG_HOME=str(tmp_path / config),
        PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path / 'path'}",
        **switch,
    )

    assert finished.stdout == "source_unreachable\n", finished.stderr


def test_it_reads_nobodys_configuration_cookies_and_passwords(stand_in, a_video, tmp_path):
    heard = []

    def listen(site: Site) -> bool:
        heard.append(dict(site.headers))
        return False

    a_video.faults |= {"watch": listen, "player": listen}
    home, ran = tmp_path / "home", tmp_path / "ran"
    wanted = f"--exec before_dl:'touch {ran}'\n--exec pre_process:'touch {ran}'\n--netrc\n--add-headers X-Evil:1\n"
    for place in ("home/.config/yt-dlp/config", "home/.config/yt-dlp.conf", "home/yt-dlp.conf", "yt-dlp.conf"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(wanted)
    for place in (home / ".netrc", tmp_path / ".netrc"):
        place.write_text("default login evil password evil\n")
        place.chmod(0o600)
    program = tmp_path / "worker.py"
    program.write_text(PROGRAM)

    finished = run(program, tmp_path, HOME=str(home), NETRC=str(home / ".netrc"), **stand_in.environment())

    assert finished.stdout == "found\n", finished.stderr
    assert heard
    assert not ran.exists()
    secret = base64.b64encode(b"evil:evil").decode()
    assert not any("X-Evil" in headers or secret in json.dumps(headers) for headers in heard)


def test_it_tells_its_children_the_same():
    program = (
        "import os, transcripts.worker.youtube_client\n"
        "print(os.environ['YTDLP_NO_PLUGINS'], os.environ['DENO_V8_FLAGS'])"
    )

    said = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{program}"],
        cwd=ROOT,
        env=os.environ | {"YTDLP_NO_PLUGINS": "", "DJANGO_SETTINGS_MODULE": "ytbackend.settings"},
        capture_output=True,
        text=True,
    )

    assert said.stdout == "1 --max-old-space-size=1024\n"


# --- the programs that it starts


def test_a_thread_does_not_wait_for_a_program_longer_than_it_may():
    """Nothing but the limit ends it: YouTube's JavaScript may run for ever."""
    child = Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def work() -> None:
        with child, alarm.limited(0.5, errors.SourceTooSlow()):
            child.communicate_or_kill(b"a program")

    with ThreadPoolExecutor(1) as thread:
        assert isinstance(thread.submit(work).exception(), errors.SourceTooSlow)
    assert child.returncode == -signal.SIGKILL


def test_a_program_gets_all_and_says_all_however_long_it_takes():
    """Both are larger than a pipe, and it takes several turns."""
    program = "import sys, time; said = sys.stdin.read(); time.sleep(0.5); sys.stdout.write(said[::-1])"
    sent = "ab" * 500_000

    with Popen([sys.executable, "-c", program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        said, _ = child.communicate_or_kill(sent)

    assert said == sent[::-1]


def test_a_program_with_a_time_limit_of_its_own_is_killed_at_that():
    with (
        pytest.raises(subprocess.TimeoutExpired),
        Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.PIPE) as child,
    ):
        child.communicate_or_kill(timeout=0.3)

    assert child.returncode == -signal.SIGKILL
