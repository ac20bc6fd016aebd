"""What an operator can do about each code that a video fails with."""

from transcripts.worker import errors

_PROXY = "Set YOUTUBE_PROXY_URL to another proxy, one that YouTube accepts, and start the workers again."
_RENEW = "Renew yt-dlp (its pin in requirements-worker.txt, then `deploy_worker.sh update`): YouTube has changed."
_WAIT = "Wait: it is tried again by itself. If it goes on for hours: "

_BY_CODE = {
    errors.VideoRegionBlocked.code: "Nothing, or a proxy in another country.",
    errors.VideoTooLong.code: "Raise MAX_VIDEO_MINUTES if such videos are to be accepted.",
    errors.AudioTooLarge.code: "Raise MAX_AUDIO_MEGABYTES if such videos are to be accepted.",
    errors.NoCaptions.code: "`manage.py reprocess ID --mode auto` has it listened to.",
    errors.SourceRefused.code: _PROXY,
    errors.SourceRateLimited.code: f"{_WAIT}fewer workers, or more proxies.",
    errors.SourceUnavailable.code: "See `manage.py queue`: YouTube refuses everything, and is asked again by itself.",
    errors.SourceForbidden.code: f"{_RENEW} {_PROXY}",
    errors.SourceFailing.code: f"{_WAIT}{_RENEW}",
    errors.SourceUnreachable.code: "`manage.py doctor` tries the way to YouTube: proxy, password, firewall.",
    errors.SourceTooSlow.code: f"{_WAIT}{_PROXY}",
    errors.SourceUnreadable.code: _RENEW,
    errors.CaptionsWithheld.code: f"{_WAIT}{_RENEW}",
    errors.AudioIncomplete.code: f"{_WAIT}{_PROXY}",
}


def what_to_do(error: errors.JobError) -> str:
    """A sentence for operators; the error's own is for users."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if isinstance(error, errors.VideoError):
        return "Nothing: the video itself is the cause, and its user is told so."
    if error.permanent:
        return "Nothing: its user is told to try again later."
    return "`manage.py doctor` says whether something of ours is not well."
