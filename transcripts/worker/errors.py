"""Why a video did not become a transcript: one class per cause.

``code`` is what the API shows in ``error.code``; the exception's text is ``error.detail``, a sentence
for the person who pasted the link. ``permanent``: trying again by itself would be a waste.
``retryable``: the user may try again later with some hope. ``counted``: whether a passing cause uses up one of
the video's attempts; what has nothing to do with the video does not. Only this module and its users in the
worker know these classes; the row keeps the code, the sentence and ``retryable``.
"""


class JobError(Exception):
    """A job ended without a transcript. Subclasses name the cause."""

    code: str
    sentence: str
    permanent = False
    retryable = True
    counted = True
    wait = 0.0  # seconds that the source asks us to wait

    def __init__(self, sentence: str = "", *, listened_ms: int = 0) -> None:
        super().__init__(sentence or self.sentence)
        self.listened_ms = listened_ms  # of its sound, to the end: it is charged to the user


class VideoError(JobError):
    """The video itself is the cause, and will be tomorrow."""

    permanent = True
    retryable = False


# --- the video itself


class VideoPrivate(VideoError):
    code = "video_private"
    sentence = "This video is private. Ask its owner to make it public or unlisted."


class VideoAgeRestricted(VideoError):
    code = "video_age_restricted"
    sentence = "YouTube shows this video only to signed-in adults, so it cannot be transcribed here."


class VideoMembersOnly(VideoError):
    code = "video_members_only"
    sentence = "This video is for members of its channel only."


class VideoPremiumOnly(VideoError):
    code = "video_premium_only"
    sentence = "This video is for YouTube Premium members only."


class VideoPaid(VideoError):
    code = "video_paid"
    sentence = "This video has to be bought or rented."


class VideoRemoved(VideoError):
    code = "video_removed"
    sentence = "This video has been removed from YouTube."


class VideoUnavailable(VideoError):
    code = "video_unavailable"
    sentence = "YouTube says that this video is not available. Check that the link opens in a browser."


class VideoRegionBlocked(VideoError):
    code = "video_region_blocked"
    sentence = "This video is not available in the country that this service runs in."


class VideoDrmProtected(VideoError):
    code = "video_drm_protected"
    sentence = "This video is copy-protected (DRM)."


class VideoTooLong(VideoError):
    code = "video_too_long"
    sentence = "This video is longer than this service accepts."


class AudioTooLarge(VideoError):
    code = "audio_too_large"
    sentence = "The audio of this video is larger than this service accepts."


class AudioTooCostly(VideoError):
    code = "audio_too_costly"
    sentence = "Decoding the audio of this video takes more time or memory than this service gives to one video."


class AudioTooLong(VideoError):
    code = "audio_too_long"
    sentence = "The audio of this video is much longer than YouTube says the video is."


class NoAudio(VideoError):
    code = "no_audio"
    sentence = "This video has no sound that could be listened to."


class NoCaptions(VideoError):
    code = "no_captions"
    sentence = (
        "This video has no captions in the language that is spoken or was asked for. "
        "Submit it with mode “auto” or “speech” to have it listened to."
    )


class NoSpeech(VideoError):
    code = "no_speech"
    sentence = "Nobody speaks in this video, as far as the speech engine can tell."


class NotStorable(VideoError):
    code = "not_storable"
    sentence = "What this video says cannot be stored as it is. The operators have been told."


class LanguageUnsupported(VideoError):
    code = "language_unsupported"
    sentence = "The speech engine of this service does not know the language of this video."


class TranscriptTooLarge(VideoError):
    code = "transcript_too_large"
    sentence = "The transcript is larger than this service can store."


# --- the user's own


class SpeechQuotaExceeded(JobError):
    code = "speech_quota_exceeded"
    permanent = True
    sentence = "You have not enough minutes of speech left to have this video listened to."


class StorageQuotaExceeded(JobError):
    code = "storage_quota_exceeded"
    permanent = True
    sentence = "The files of your videos fill all the room that you have. Delete some of your videos."


# --- not now: the job ends, and the user may try again when the stream, premiere or upload is over


class VideoLive(JobError):
    code = "video_live"
    permanent = True
    sentence = "This is a live stream. Try again when it has ended and its recording is there."


class VideoUpcoming(JobError):
    code = "video_upcoming"
    permanent = True
    sentence = "This video has not started yet. Try again when it is over."


class VideoProcessing(JobError):
    code = "video_processing"
    permanent = True
    sentence = "YouTube is still processing this video. Try again when it plays in a browser."


# --- YouTube or the network: passing, neither the user's fault nor the video's


class SourceTrouble(JobError):
    """YouTube does not answer us at all, whichever video it is: several in a row open the breaker."""


class SourceRefused(SourceTrouble):
    code = "source_refused"
    sentence = "YouTube is refusing requests from this service at the moment (it asks for a human)."


class SourceRateLimited(SourceTrouble):
    code = "source_rate_limited"
    sentence = "YouTube is limiting requests from this service at the moment."


class SourceUnavailable(JobError):
    code = "source_unavailable"
    counted = False
    sentence = (
        "YouTube does not answer this service at the moment. Your video waits, and is tried again by itself "
        "when YouTube does."
    )


class SourceForbidden(SourceTrouble):
    code = "source_forbidden"
    sentence = "YouTube refused to hand out this video's data this time."


class SourceFailing(SourceTrouble):
    code = "source_failing"
    sentence = "YouTube is having trouble at the moment."


class SourceUnreachable(SourceTrouble):
    code = "source_unreachable"
    sentence = "The connection to YouTube failed."


class SourceTooSlow(SourceTrouble):
    code = "source_too_slow"
    sentence = "YouTube sent this video's data too slowly."


class SourceUnreadable(JobError):
    code = "source_unreadable"
    sentence = "YouTube answered in a way that this service does not understand yet."


class CaptionsWithheld(JobError):
    code = "captions_withheld"
    sentence = "YouTube lists captions for this video but did not hand them out this time."


class AudioIncomplete(JobError):
    code = "audio_incomplete"
    sentence = "The audio of this video did not arrive whole."


class AudioUnreadable(JobError):
    code = "audio_unreadable"
    sentence = "The audio of this video could not be decoded."


# --- ourselves


class DecoderFailed(JobError):
    """Its process crashed, hung or was killed: by this file or by chance, which only another try can tell."""

    code = "decoder_failed"
    sentence = "The decoder failed on the audio of this video. The operators have been told."


class SpeechEngineFailed(JobError):
    code = "speech_engine_failed"
    sentence = "The speech engine failed. The operators have been told."


class StorageUnavailable(JobError):
    code = "storage_unavailable"
    counted = False
    sentence = "The file store is not available at the moment."


class DatabaseUnavailable(JobError):
    code = "database_unavailable"
    counted = False
    sentence = "The database was not available for a while."


class NoSpaceLeft(JobError):
    code = "no_space_left"
    counted = False
    sentence = "This service has no room for the audio of this video at the moment. The operators have been told."


class EngineBusy(JobError):
    """Several jobs are done side by side, and the engine serves one of them."""

    code = "speech_engine_busy"
    counted = False
    wait = 10.0  # for another machine to take it
    sentence = "Another video is being listened to. Yours waits for its turn."


class WorkerStopped(JobError):
    code = "worker_stopped"
    counted = False
    sentence = "The worker was stopped in the middle of this video; another one takes it."


class InternalError(JobError):
    code = "internal_error"
    sentence = "Something went wrong on our side."
