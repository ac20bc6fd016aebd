"""The app's name for Django."""

from django.apps import AppConfig


class VideosConfig(AppConfig):
    """What was submitted, and where it stands."""

    name = "videos"
