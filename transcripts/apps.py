"""The app's name for Django."""

from django.apps import AppConfig


class TranscriptsConfig(AppConfig):
    """What was said."""

    name = "transcripts"
