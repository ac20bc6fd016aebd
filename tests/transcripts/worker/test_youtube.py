"""YouTube through the real yt-dlp, against the stand-in on loopback: TLS, proxy, retries and all."""

import gc
import re
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from pytest_django import Settings

from local.youtube import Site, StandIn, Track, Video
from local.youtube_answers import Json
from tests.youtube_scenarios import (
    RECORDED_ID,
    answers,
    breaks_off,
    changed,
    hangs_up,
    needs_javascript,
    once,
    recorded,
    refused,
    watch_page,
)
from transcripts.segments import Segment
from transcripts.worker import errors, youtube

ID = "abcdefghijk"
ENGLISH = Track("en", [(0, 1500, "Hello."), (1500, 4000, "This is a talk.")])
HEARD = Track("en", [(0, 3000, "hello this"), (1500, 4000, "is a talk")], automatic=True)


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


def publish(stand_in: StandIn, video: Video) -> None:
    stand_in.videos[video.id] = video


def asked(stand_in: StandIn) -> list[str]:
    return [request.endpoint for request in stand_in.log]


def ignore(fraction: float) -> None:
    pass


def open_files() -> list[str]:
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            names.append(str(link.readlink()))
    return [name for name in names if not name.startswith("socket:")]


def assert_fit_for_a_user(sentence: str) -> None:
    """No links, options, terminal codes or names of tools: the person has pasted a link and knows nothing of them."""
    assert re.fullmatch(r"[A-Z][^\x00-\x1f\x7f]{10,400}[.”)]", sentence)
    assert not re.search(r"https?:|--|yt-dlp|ERROR|cookie|\[youtube\]|abcdefghijk|None", sentence, re.IGNORECASE)


REFUSALS: dict[str, tuple[Video, type[errors.JobError], bool]] = {
    # what YouTube does: (its answer, our error, whether it is permanent)
    "asks for a human (recorded)": (recorded("youtube_request_blocked", ID), errors.SourceRefused, False),
    "asks for a human in the small print (recorded)": (
        recorded("youtube_unplayable", ID),
        errors.SourceRefused,
        False,
    ),
    "asks for a captcha": (
        refused(ID, "Please wait", status="LOGIN_REQUIRED", playerCaptchaViewModel={"a": 1}),
        errors.SourceRefused,
        False,
    ),
    "wants another app": (
        refused(ID, "The following content is not available on this app. Watch on the latest version of YouTube."),
        errors.SourceRefused,
        False,
    ),
    "limits the session": (
        refused(ID, "This content isn't available, try again later."),
        errors.SourceRateLimited,
        False,
    ),
    "has trouble": (
        refused(ID, "Video unavailable", "An error occurred. Please try again later."),
        errors.SourceFailing,
        False,
    ),
    "private": (
        refused(ID, "This video is private", status="LOGIN_REQUIRED"),
        errors.VideoPrivate,
        True,
    ),
    "private, with an invitation to sign in": (
        refused(
            ID,
            "Private video",
            "Sign in if you've been granted access to this video",
            status="LOGIN_REQUIRED",
        ),
        errors.VideoPrivate,
        True,
    ),
    "age gate (recorded)": (recorded("youtube_age_restricted", ID), errors.VideoAgeRestricted, True),
    "age gate": (
        refused(ID, "Sign in to confirm your age", status="LOGIN_REQUIRED"),
        errors.VideoAgeRestricted,
        True,
    ),
    "members only": (
        refused(ID, "This video is available to this channel's members on level: Patron (or any higher level)."),
        errors.VideoMembersOnly,
        True,
    ),
    "members only, with an invitation": (
        refused(ID, "Join this channel to get access to members-only content like this video."),
        errors.VideoMembersOnly,
        True,
    ),
    "Music Premium": (
        refused(ID, "This video is only available to Music Premium members"),
        errors.VideoPremiumOnly,
        True,
    ),
    "paid": (refused(ID, "This video requires payment to watch."), errors.VideoPaid, True),
    "paid, with a trailer": (
        refused(
            ID,
            "This video requires payment to watch.",
            playerLegacyDesktopYpcTrailerRenderer={"trailerVideoId": "trailer0000"},
        ),
        errors.VideoPaid,
        True,
    ),
    "removed by its uploader": (
        refused(ID, "Video unavailable", "This video has been removed by the uploader", status="ERROR"),
        errors.VideoRemoved,
        True,
    ),
    "removed by YouTube": (
        refused(ID, "This video has been removed for violating YouTube's Terms of Service", status="ERROR"),
        errors.VideoRemoved,
        True,
    ),
    "account terminated": (
        refused(
            ID,
            "Video unavailable",
            "This video is no longer available because the YouTube account associated with this video has been "
            "terminated.",
            status="ERROR",
        ),
        errors.VideoRemoved,
        True,
    ),
    "copyright": (
        refused(ID, "Video unavailable", "This video is no longer available due to a copyright claim by X"),
        errors.VideoRemoved,
        True,
    ),
    "region, as the reason": (
        refused(ID, "The uploader has not made this video available in your country"),
        errors.VideoRegionBlocked,
        True,
    ),
    "region, as the explanation": (
        refused(ID, "Video unavailable", "The uploader has not made this video available in your country"),
        errors.VideoRegionBlocked,
        True,
    ),
    "region, blocked on copyright grounds": (
        refused(ID, "Video unavailable", "This video contains content from X, who has blocked it in your country"),
        errors.VideoRegionBlocked,
        True,
    ),
    "gone (recorded)": (recorded("youtube_video_unavailable", ID), errors.VideoUnavailable, True),
    "never was": (refused(ID, "This video is not available", status="ERROR"), errors.VideoUnavailable, True),
    "upcoming": (
        refused(ID, "This live event will begin in 18 hours.", status="LIVE_STREAM_OFFLINE"),
        errors.VideoUpcoming,
        True,
    ),
    "premiere": (refused(ID, "Premieres in 3 hours", status="LIVE_STREAM_OFFLINE"), errors.VideoUpcoming, True),
    "upcoming, with formats": (
        changed(Video(ID), lambda a: a["videoDetails"].update(isUpcoming=True)),
        errors.VideoUpcoming,
        True,
    ),
    "live now": (changed(Video(ID), lambda a: a["videoDetails"].update(isLive=True)), errors.VideoLive, True),
    "live until just now": (
        changed(Video(ID), lambda a: a["videoDetails"].update(isPostLiveDvr=True)),
        errors.VideoLive,
        True,
    ),
    "still being processed": (
        refused(ID, "We're processing this video. Check back later."),
        errors.VideoProcessing,
        True,
    ),
    "longer than any video": (Video(ID, duration_ms=10**24), errors.VideoTooLong, True),
    "no sound": (Video(ID), errors.NoAudio, True),
    "no sound and no formats": (
        changed(Video(ID), lambda a: a["streamingData"].update(adaptiveFormats=[])),
        errors.SourceUnreadable,
        False,
    ),
    "copy-protected": (
        changed(Video(ID), lambda a: a["streamingData"]["adaptiveFormats"][0].update(drmFamilies=["WIDEVINE"])),
        errors.VideoDrmProtected,
        True,
    ),
    "copy-protected, without formats": (
        changed(
            Video(ID), lambda a: a.update(streamingData={"licenseInfos": [{"drmFamily": "WIDEVINE"}], "formats": []})
        ),
        errors.VideoDrmProtected,
        True,
    ),
    "answers for another video": (
        changed(Video(ID), lambda a: a["videoDetails"].update(videoId="aQvGIIdgFDM")),
        errors.SourceRefused,
        False,
    ),
    "a reason nobody has seen": (refused(ID, "Something new from YouTube"), errors.VideoUnavailable, True),
    "429 on the page and the player": (
        Video(ID, faults={"watch": answers(429), "player": answers(429)}),
        errors.SourceRateLimited,
        False,
    ),
    "429 on the player": (Video(ID, faults={"player": answers(429)}), errors.SourceRateLimited, False),
    "403 on the player": (Video(ID, faults={"player": answers(403)}), errors.SourceForbidden, False),
    "503 on the player": (Video(ID, faults={"player": answers(503)}), errors.SourceFailing, False),
    "the player hangs up": (Video(ID, faults={"player": hangs_up}), errors.SourceUnreachable, False),
    "page and player hang up": (
        Video(ID, faults={"watch": hangs_up, "player": hangs_up}),
        errors.SourceUnreachable,
        False,
    ),
    "garbage from page and player": (
        Video(ID, faults={"watch": answers(200, b"<html>"), "player": answers(200, b"<html>")}),
        errors.SourceUnreadable,
        False,
    ),
    "garbage from the player": (
        Video(ID, faults={"player": answers(200, b"<html>not what was asked")}),
        errors.SourceUnreadable,
        False,
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_it_tells_why_there_will_be_no_transcript(stand_in: StandIn, case: str) -> None:
    video, error, permanent = REFUSALS[case]
    publish(stand_in, video)
    with pytest.raises(errors.JobError) as refusal:
        youtube.extract(ID)
    assert (type(refusal.value), refusal.value.permanent) == (error, permanent)
    assert_fit_for_a_user(str(refusal.value))


def test_it_passes_on_a_reason_that_nobody_has_seen_without_what_yt_dlp_adds(stand_in: StandIn) -> None:
    reason = "Please sign in to continue \x1b[31mwith\x1b[0m this. See https://evil.example/ for more"
    publish(stand_in, refused(ID, reason))
    with pytest.raises(errors.VideoUnavailable) as refusal:
        youtube.extract(ID)
    assert str(refusal.value) == "YouTube says about this video: “Please sign in to continue with this”"


def test_it_cuts_a_reason_that_has_no_end(stand_in: StandIn) -> None:
    publish(stand_in, refused(ID, "Something new " * 1000))
    with pytest.raises(errors.VideoUnavailable) as refusal:
        youtube.extract(ID)
    assert len(str(refusal.value)) < 350


def test_it_says_how_long_a_video_may_be(stand_in: StandIn, settings: Settings) -> None:
    settings.MAX_VIDEO_MINUTES = 1
    publish(stand_in, Video(ID, duration_ms=61_000))
    with pytest.raises(errors.VideoTooLong, match="1 minutes at most"):
        youtube.extract(ID)


def test_it_downloads_nothing_of_a_video_that_is_too_long(stand_in: StandIn, settings: Settings, media: Path) -> None:
    settings.MAX_VIDEO_MINUTES = 1
    publish(stand_in, Video(ID, duration_ms=61_000, tracks=[ENGLISH], media=media))
    with pytest.raises(errors.VideoTooLong):
        youtube.extract(ID)
    assert set(asked(stand_in)) == {"watch", "player"}


@pytest.mark.parametrize(
    "youtube_id", ["", "short", "abcdefghijkl", "abcdefghij\n", "../../../ab", "abcdefghij&", "äbcdefghijk"]
)
def test_it_asks_for_nothing_that_is_no_id(stand_in: StandIn, youtube_id: str) -> None:
    with pytest.raises(errors.VideoUnavailable):
        youtube.extract(youtube_id)
    assert stand_in.log == []


def test_it_takes_a_fault_of_yt_dlps_own_for_a_passing_one(stand_in: StandIn) -> None:
    def no_embedding(site: Site) -> bool:
        return site.path.startswith("/embed/") and answers(404)(site)

    video = recorded("youtube_age_restricted", ID)  # where yt-dlp fails with a KeyError
    video.faults["watch"] = no_embedding
    publish(stand_in, video)
    with pytest.raises(errors.SourceUnreadable):
        youtube.extract(ID)


# --- metadata


def test_it_describes_a_video(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, "A title", "A channel", 12_000, "en", media=media))
    assert youtube.extract(ID).metadata == youtube.Metadata(ID, "A title", "A channel", 12_000, "en")


def test_it_describes_a_recorded_video(stand_in: StandIn, media: Path) -> None:
    video = recorded("youtube", RECORDED_ID, media)
    video.watch_page = watch_page()
    publish(stand_in, video)
    assert youtube.extract(RECORDED_ID).metadata == youtube.Metadata(
        RECORDED_ID, "Surface Go Review - It’s Awesome", "Dave2D", 316_000, "en"
    )


def test_it_asks_little_for_a_whole_job(stand_in: StandIn, media: Path, folder: Path) -> None:
    publish(stand_in, Video(ID, tracks=[ENGLISH], media=media))
    extraction = youtube.extract(ID)
    extraction.captions("en")
    extraction.audio(folder, ignore)
    assert asked(stand_in) == ["watch", "player", "player", "timedtext", "media"]


def test_it_runs_no_javascript_where_there_are_formats_without(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, needs_javascript(Video(ID, tracks=[ENGLISH], media=media), "TVHTML5"))
    assert youtube.extract(ID).offers()["audio"]
    assert asked(stand_in) == ["watch", "player", "player"]


@pytest.mark.parametrize(("players", "thorough"), [((), False), (("TVHTML5",), True)])
def test_it_wants_youtubes_program_where_there_are_none_and_where_it_is_to_be_thorough(
    stand_in: StandIn, media: Path, players: tuple[str, ...], thorough: bool
) -> None:
    publish(stand_in, needs_javascript(Video(ID, tracks=[ENGLISH], media=media), *players))
    youtube.extract(ID, thorough=thorough)
    assert [request.path.rpartition("/")[2] for request in stand_in.log if request.endpoint == "other"] == ["base.js"]


def test_it_does_not_look_twice_for_sound_that_a_video_does_not_have(stand_in: StandIn) -> None:
    publish(stand_in, Video(ID, tracks=[ENGLISH]))
    youtube.extract(ID)
    assert asked(stand_in) == ["watch", "player", "player"]


@pytest.mark.parametrize(
    ("reason", "error", "times"),
    [
        ("This video is unavailable", errors.VideoUnavailable, 2),
        (
            "Sign in to confirm your age",
            errors.VideoAgeRestricted,
            4,
        ),  # yt-dlp asks again itself; another player may get round it
        ("This video is private", errors.VideoPrivate, 1),  # by whatever player
    ],
)
def test_it_looks_twice_before_it_believes_what_could_be_wrong(
    stand_in: StandIn, reason: str, error: type[errors.JobError], times: int
) -> None:
    publish(
        stand_in, refused(ID, reason, status="LOGIN_REQUIRED" if "age" in reason or "private" in reason else "ERROR")
    )
    with pytest.raises(error):
        youtube.extract(ID)
    assert asked(stand_in).count("watch") == times


def test_it_makes_no_addresses_of_captions_that_it_would_not_read(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, tracks=[ENGLISH], media=media))
    listed = youtube.extract(ID)._info["subtitles"]["en"]
    assert {variant["ext"] for variant in listed} == {"json3"}


def test_it_keeps_hostile_text_out_of_title_and_channel(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, "a\x00b\n\x1b[31mc\u202e🙂 " + "x" * 600, "d\re" + "y" * 300, media=media))
    metadata = youtube.extract(ID).metadata
    assert metadata.title.startswith("a b [31mc 🙂 xxx")
    assert (len(metadata.title), len(metadata.channel)) == (500, 200)


@pytest.mark.parametrize("length", ["-5", "0", "inf", "nan", "", "soon", None])
def test_it_does_without_a_length_that_is_none(stand_in: StandIn, media: Path, length: str | None) -> None:
    video = Video(ID, media=media)
    publish(stand_in, changed(video, lambda a: a["videoDetails"].update(lengthSeconds=length)))
    assert youtube.extract(ID).metadata.duration_ms is None


def test_it_follows_youtube_to_its_own_spelling_of_an_id(stand_in: StandIn, media: Path) -> None:
    video = Video("DJztXj2GPfk", media=media)
    stand_in.videos = {"DJztXj2GPfl": video, "DJztXj2GPfk": video}
    assert youtube.extract("DJztXj2GPfl").metadata.youtube_id == "DJztXj2GPfk"


def test_it_does_without_the_watch_page(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, media=media, faults={"watch": answers(429)}))
    assert youtube.extract(ID).metadata.title == "A sample"


def test_it_accepts_a_video_that_has_captions_and_no_sound(stand_in: StandIn, folder: Path) -> None:
    publish(stand_in, Video(ID, tracks=[ENGLISH]))
    extraction = youtube.extract(ID)
    assert extraction.captions(None) is not None
    with pytest.raises(errors.NoAudio):
        extraction.audio(folder, ignore)


def test_it_trusts_nobody_but_the_given_authority(
    stand_in: StandIn, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(stand_in, Video(ID, media=media))
    with StandIn() as stranger:
        monkeypatch.setenv("SSL_CERT_FILE", str(stranger.ca_file))
        with pytest.raises(errors.SourceUnreachable):
            youtube.extract(ID)
    assert stand_in.log == []


def test_it_reports_a_proxy_that_is_not_there(stand_in: StandIn, settings: Settings) -> None:
    settings.YOUTUBE_PROXY_URL = "http://127.0.0.1:9"
    with pytest.raises(errors.SourceUnreachable):
        youtube.extract(ID)


# --- captions


def test_it_reads_what_a_human_wrote(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, tracks=[HEARD, ENGLISH], media=media))
    assert youtube.extract(ID).captions(None) == youtube.Captions(
        "en", False, [Segment(0, 1500, "Hello."), Segment(1500, 4000, "This is a talk.")]
    )


def test_it_reads_what_youtube_heard_and_ends_rolling_lines_where_the_next_begins(
    stand_in: StandIn, media: Path
) -> None:
    publish(stand_in, Video(ID, tracks=[HEARD], media=media))
    assert youtube.extract(ID).captions(None) == youtube.Captions(
        "en", True, [Segment(0, 1500, "hello this"), Segment(1500, 4000, "is a talk")]
    )


def test_it_never_takes_a_machine_translation(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, tracks=[ENGLISH, HEARD], media=media))
    captions = youtube.extract(ID).captions("de")
    assert captions is not None
    assert captions.language == "en"
    assert all("tlang" not in request.query for request in stand_in.log)


def test_it_reads_a_recorded_list_of_tracks(stand_in: StandIn, media: Path) -> None:
    video = recorded("youtube", RECORDED_ID, media)
    video.watch_page = watch_page()
    video.tracks = [ENGLISH]
    publish(stand_in, video)
    captions = youtube.extract(RECORDED_ID).captions(None)
    assert captions is not None
    assert (captions.language, captions.automatic) == ("en", False)


def test_it_finds_no_captions_in_a_recorded_video_that_has_none(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, recorded("youtube_transcripts_disabled", ID, media))
    assert youtube.extract(ID).captions(None) is None


def test_it_keeps_emoji_and_all_scripts(stand_in: StandIn, media: Path) -> None:
    text = "日本語 🙂 👩\u200d🚀 <i>not</i> & “quoted”"
    publish(stand_in, Video(ID, tracks=[Track("ja", [(0, 1000, text)])], media=media))
    captions = youtube.extract(ID).captions(None)
    assert captions is not None
    assert captions.segments == [Segment(0, 1000, text)]


def test_it_takes_captions_without_words_for_none(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, tracks=[Track("en", [(0, 1000, " \n")])], media=media))
    assert youtube.extract(ID).captions(None) is None


def test_it_goes_on_to_what_youtube_heard_where_the_humans_track_has_no_words(stand_in: StandIn, media: Path) -> None:
    publish(stand_in, Video(ID, tracks=[Track("en", []), HEARD], media=media))
    captions = youtube.extract(ID).captions(None)
    assert captions is not None
    assert captions.automatic


CAPTION_FAULTS = {
    "429": (answers(429), errors.SourceRateLimited),
    "403": (answers(403), errors.SourceForbidden),
    "404": (answers(404), errors.SourceUnreadable),
    "503": (answers(503), errors.SourceFailing),
    "an empty body": (answers(200), errors.CaptionsWithheld),
    "a page instead of the file": (answers(200, b"<!DOCTYPE html><p>Sorry"), errors.SourceUnreadable),
    "another document": (answers(200, b'["no", "captions"]'), errors.SourceUnreadable),
    "a hang-up": (hangs_up, errors.SourceUnreachable),
}


@pytest.mark.parametrize("case", CAPTION_FAULTS)
def test_it_never_takes_a_fault_for_having_no_captions(stand_in: StandIn, media: Path, case: str) -> None:
    fault, error = CAPTION_FAULTS[case]
    publish(stand_in, Video(ID, tracks=[ENGLISH], media=media, faults={"timedtext": fault}))
    extraction = youtube.extract(ID)
    with pytest.raises(errors.JobError) as failure:
        extraction.captions(None)
    assert (type(failure.value), failure.value.permanent) == (error, False)
    assert_fit_for_a_user(str(failure.value))


@pytest.mark.parametrize("wanted", [None, "en"])
def test_it_never_takes_captions_that_need_a_token_for_having_none(
    stand_in: StandIn, media: Path, wanted: str | None
) -> None:
    publish(stand_in, recorded("youtube_po_token_required", ID, media))
    extraction = youtube.extract(ID)
    with pytest.raises(errors.CaptionsWithheld):
        extraction.captions(wanted)


def test_it_does_not_take_a_translation_for_what_is_said_where_the_rest_needs_a_token(
    stand_in: StandIn, media: Path
) -> None:
    def withhold(answer: Json) -> None:
        answer["captions"]["playerCaptionsTracklistRenderer"]["captionTracks"][1]["baseUrl"] += "&exp=xpe"

    publish(stand_in, changed(Video(ID, tracks=[Track("de", [(0, 1000, "Hallo.")]), HEARD], media=media), withhold))
    extraction = youtube.extract(ID)
    with pytest.raises(errors.CaptionsWithheld):
        extraction.captions(None)


def test_it_stops_reading_captions_that_have_no_end(
    stand_in: StandIn, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "MAX_CAPTION_BYTES", 100)
    publish(stand_in, Video(ID, tracks=[ENGLISH], media=media))
    extraction = youtube.extract(ID)
    with pytest.raises(errors.SourceUnreadable):
        extraction.captions(None)


# --- audio


def test_it_downloads_the_sound_as_it_is(stand_in: StandIn, media: Path, folder: Path) -> None:
    publish(stand_in, Video(ID, media=media))
    path = youtube.extract(ID).audio(folder, ignore)
    assert path.read_bytes() == media.read_bytes()
    assert [*folder.iterdir()] == [path]


def test_it_downloads_the_sound_of_a_recorded_video(stand_in: StandIn, media: Path, folder: Path) -> None:
    publish(stand_in, recorded("youtube", RECORDED_ID, media))
    assert youtube.extract(RECORDED_ID).audio(folder, ignore).read_bytes() == media.read_bytes()


def test_it_tells_how_far_the_download_is(stand_in: StandIn, media: Path, folder: Path) -> None:
    told: list[float] = []
    publish(stand_in, Video(ID, media=media))
    youtube.extract(ID).audio(folder, told.append)
    assert told == sorted(told)
    assert 0 < told[0] < 1
    assert told[-1] == 1


def test_it_takes_the_original_of_a_dubbed_video(stand_in: StandIn, media: Path, folder: Path) -> None:
    def dub(answer: Json) -> None:
        *_, spoken = formats = answer["streamingData"]["adaptiveFormats"]
        track = {"id": "de.3", "displayName": "German", "audioIsDefault": True}
        formats.append(spoken | {"itag": 258, "url": spoken["url"] + "0", "bitrate": 999_000, "audioTrack": track})

    publish(stand_in, changed(Video(ID, language="en-US", media=media), dub))
    extraction = youtube.extract(ID)
    extraction.audio(folder, ignore)
    assert extraction.metadata.language == "en-US"
    assert stand_in.log[-1].query["itag"] == "251"


def test_it_takes_sound_with_pictures_where_there_is_no_other(stand_in: StandIn, media: Path, folder: Path) -> None:
    def mux(answer: Json) -> None:
        answer["streamingData"]["adaptiveFormats"][-1]["mimeType"] = 'video/mp4; codecs="avc1.42001E, mp4a.40.2"'

    publish(stand_in, changed(Video(ID, media=media), mux))
    assert youtube.extract(ID).audio(folder, ignore).name == "audio.mp4"


def test_it_resumes_where_the_connection_broke_off(
    stand_in: StandIn, settings: Settings, media: Path, folder: Path
) -> None:
    settings.YOUTUBE_RETRIES = 1
    publish(stand_in, Video(ID, media=media, faults={"media": once(breaks_off)}))
    assert youtube.extract(ID).audio(folder, ignore).read_bytes() == media.read_bytes()


AUDIO_FAULTS = {
    "403": (answers(403), errors.SourceForbidden),
    "503": (answers(503), errors.SourceFailing),
    "a hang-up": (hangs_up, errors.SourceUnreachable),
    "half of it": (breaks_off, errors.SourceUnreachable),
    "nothing": (answers(200), errors.SourceUnreachable),
    "something shorter": (answers(200, b"short"), errors.AudioIncomplete),
}


@pytest.mark.parametrize("case", AUDIO_FAULTS)
def test_it_leaves_no_half_of_a_file_behind(stand_in: StandIn, media: Path, folder: Path, case: str) -> None:
    fault, error = AUDIO_FAULTS[case]
    publish(stand_in, Video(ID, media=media, faults={"media": fault}))
    extraction = youtube.extract(ID)
    with pytest.raises(errors.JobError) as failure:
        extraction.audio(folder, ignore)
    assert (type(failure.value), failure.value.permanent) == (error, False)
    assert_fit_for_a_user(str(failure.value))
    assert [*folder.iterdir()] == []


def test_it_refuses_audio_that_is_announced_as_too_large_before_asking_for_it(
    stand_in: StandIn, settings: Settings, media: Path, folder: Path
) -> None:
    settings.MAX_AUDIO_MEGABYTES = 0.1
    publish(stand_in, Video(ID, media=media))
    with pytest.raises(errors.AudioTooLarge):
        youtube.extract(ID).audio(folder, ignore)
    assert "media" not in asked(stand_in)


def test_it_stops_audio_that_turns_out_to_be_too_large(
    stand_in: StandIn, settings: Settings, media: Path, folder: Path
) -> None:
    settings.MAX_AUDIO_MEGABYTES = 0.1
    video = Video(ID, media=media)
    publish(stand_in, changed(video, lambda a: a["streamingData"]["adaptiveFormats"][-1].pop("contentLength")))
    with pytest.raises(errors.AudioTooLarge):
        youtube.extract(ID).audio(folder, ignore)
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("reason", [RuntimeError("lost"), OSError("disk"), errors.StorageUnavailable()])
def test_it_stops_when_told_to_and_says_so_unchanged(
    stand_in: StandIn, media: Path, folder: Path, reason: Exception
) -> None:
    def stop(fraction: float) -> None:
        raise reason

    publish(stand_in, Video(ID, media=media))
    extraction = youtube.extract(ID)
    with pytest.raises(type(reason)) as stopped:
        extraction.audio(folder, stop)
    assert stopped.value is reason
    assert [*folder.iterdir()] == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_it_closes_what_it_opened_when_it_is_stopped(stand_in: StandIn, media: Path, folder: Path) -> None:
    def stop(fraction: float) -> None:
        raise RuntimeError

    publish(stand_in, Video(ID, media=media))
    extraction = youtube.extract(ID)
    gc.collect()
    gc.disable()  # which would close it sooner or later
    try:
        before = open_files()
        with pytest.raises(RuntimeError):
            extraction.audio(folder, stop)
        assert len(open_files()) <= len(before)
    finally:
        gc.enable()


def test_it_can_be_stopped_while_youtube_wants_it_to_wait(stand_in: StandIn, media: Path, folder: Path) -> None:
    def advertise(answer: Json) -> None:
        config = {"adPlacementConfig": {"kind": "AD_PLACEMENT_KIND_START"}}
        advertisement = {"instreamVideoAdRenderer": {"playerVars": "length_seconds=3600"}}
        answer["adPlacements"] = [{"adPlacementRenderer": {"config": config, "renderer": advertisement}}]

    def stop(fraction: float) -> None:
        raise RuntimeError(fraction)

    publish(stand_in, changed(Video(ID, media=media), advertise))
    with pytest.raises(RuntimeError, match=r"0\.0"):
        youtube.extract(ID).audio(folder, stop)
    assert "media" not in asked(stand_in)


def test_it_leaves_no_thread_behind(stand_in: StandIn, media: Path, folder: Path) -> None:
    before = {thread.name for thread in threading.enumerate() if "process_request" not in thread.name}
    publish(stand_in, Video(ID, tracks=[ENGLISH], media=media))
    extraction = youtube.extract(ID)
    extraction.captions(None)
    extraction.audio(folder, ignore)
    after = {thread.name for thread in threading.enumerate() if "process_request" not in thread.name}
    assert after - before == set()  # another test's may have ended meanwhile
