"""Which of our errors a refusal or a fault of YouTube's is: one table, tried from the top.

The words are English whoever asks, because yt-dlp asks for English ones. They come from
yt-dlp's extractor, from recorded answers (the test assets of jdepoix/youtube-transcript-api) and from
how NewPipe sorts them (YoutubeStreamExtractor.checkPlayabilityStatus). YouTube rewords them at will,
so what matches nothing still becomes an error with a sentence: see :func:`refusal`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from transcripts.worker import errors
from transcripts.worker.foreign import one_line


class _Cause(NamedTuple):
    pattern: str
    error: type[errors.JobError]
    sentence: str = ""  # instead of the error's own, where YouTube says more


# What YouTube gives as its reason. The bot check, the private video and the age gate all say "sign in",
# and a rate limit says "isn't available": what tells them apart has to come first.
_REASONS = (
    _Cause(r"confirm you.re not a bot|captcha|IP is likely being blocked|unusual traffic", errors.SourceRefused),
    _Cause(r"content isn.t available, try again later|rate.limited", errors.SourceRateLimited),
    _Cause(r"requested format is not available", errors.SourceUnreadable),  # yt-dlp's own words
    _Cause(r"latest version of YouTube|not available on this app", errors.SourceRefused),
    _Cause(r"confirm your age|age.restricted|inappropriate for some users", errors.VideoAgeRestricted),
    _Cause(r"\bprivate\b", errors.VideoPrivate),
    _Cause(r"members.only|channel.s members|members of this channel|join this channel", errors.VideoMembersOnly),
    _Cause(r"(?:Music|YouTube) Premium", errors.VideoPremiumOnly),
    _Cause(r"requires payment|\brent(?:al)?\b|\bpurchase\b|\bbuy\b", errors.VideoPaid),
    _Cause(
        r"account.*(?:terminated|closed)",
        errors.VideoRemoved,
        "This video is gone: YouTube has closed the account that published it.",
    ),
    _Cause(r"copyright", errors.VideoRemoved, "This video was taken down because of a copyright claim."),
    _Cause(r"in your (?:country|region)", errors.VideoRegionBlocked),
    _Cause(r"has been removed|violating YouTube|removed by", errors.VideoRemoved),
    _Cause(r"\bDRM\b", errors.VideoDrmProtected),
    _Cause(r"live event will begin|\bpremieres?\b|waiting for .* to start|starts? in \d", errors.VideoUpcoming),
    _Cause(r"live (?:event|stream) (?:has ended|is offline)", errors.VideoLive),
    _Cause(r"processing this video", errors.VideoProcessing),
    _Cause(r"something went wrong|error occurred|technical difficult|try again later", errors.SourceFailing),
    _Cause(
        r"video (?:is )?(?:unavailable|not available)\.?\s*$|no longer available|does not exist",
        errors.VideoUnavailable,
    ),
)

# What happened on the way, in the words of yt-dlp, urllib3, curl and OpenSSL.
_FAULTS = (
    _Cause(r"HTTP Error 429", errors.SourceRateLimited),
    _Cause(r"HTTP Error 30\d: redirected to [\w.-]*google\.com", errors.SourceRefused),  # its test for humans
    _Cause(r"HTTP Error 407", errors.SourceUnreachable),  # our own proxy wants a password
    _Cause(r"HTTP Error 40[13]", errors.SourceForbidden),
    _Cause(r"HTTP Error 5\d\d", errors.SourceFailing),
    _Cause(r"\[Errno (?:28|122)\]|no space left on device|disk quota exceeded", errors.NoSpaceLeft),  # our own disk
    _Cause(r"unable to (?:open for writing|write data)", errors.InternalError),
    _Cause(
        r"timed out|time-?out|remote end closed|reset by peer|more expected|did not get any data|got error|\bEOF\b"
        r"|connection (?:was |to .*)?(?:reset|refused|aborted|broken|closed|failed|lost)|unable to connect"
        r"|fail(?:ed|ure) (?:to|in) (?:establish|resolve|connect|perform|name)|unreachable|HTTPSConnection|curl:"
        r"|certificate|\bSSL|\bTLS\b|prox(?:y|ies)\b",
        errors.SourceUnreachable,
    ),
)

# yt-dlp speaks to people at a command line: its colours, its prefix, its advice and its links are not for ours.
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PREFIX = re.compile(r"^\s*(?:ERROR:\s*)?(?:\[youtube\]\s*)?(?:[\w-]{11}:\s)?")
_ADVICE = re.compile(
    r"[.;]?\s*(?:\bUse --|--cookies|\b(?:Also )?See\s+https?:|For more information|You might want to|please report this"
    r"|It is recommended|This video is available in|\(caused by).*",
    re.DOTALL,
)
_LINK = re.compile(r"https?://\S+")


def refusal(message: str, *, said: bool, warnings: Iterable[str] = ()) -> errors.JobError:
    """The error that a failure is.

    ``message`` is the failure's text, ``said`` whether it is YouTube's own reason (yt-dlp's "expected"),
    ``warnings`` what yt-dlp complained of before: with several clients to try, a 429 on each stands only there.
    A reason that is not in the table is the video's own and permanent, and is passed on in YouTube's words.
    Anything else that is not in the table is ours to learn: SourceUnreadable, which passes.
    """
    if said and (found := _first(_REASONS, message)):
        return found.error(found.sentence)
    for text in (message, "\n".join(warnings)):
        if found := _first(_FAULTS, text):
            return found.error(found.sentence)
    if said and (reason := readable(message)):
        return errors.VideoUnavailable(f"YouTube says about this video: “{reason}”")
    return errors.SourceUnreadable()


def readable(message: str) -> str:
    """YouTube's sentence within yt-dlp's message, at most 300 characters; empty if nothing is left of it."""
    for noise in (_COLOURS, _PREFIX, _ADVICE, _LINK):
        message = noise.sub("", message)
    return one_line(message, 300).rstrip(" .:;")


def _first(causes: Iterable[_Cause], text: str) -> _Cause | None:
    return next((cause for cause in causes if re.search(cause.pattern, text, re.IGNORECASE)), None)
