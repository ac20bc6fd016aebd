"""Every address of the service. No trailing slashes but the admin's, which is Django's."""

from collections.abc import Callable

from django.conf import settings
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from django.urls.resolvers import RoutePattern
from django.utils.functional import cached_property
from django.utils.module_loading import import_string
from django.views.generic import RedirectView

from accounts.key_views import KeyDetailView, KeyListView
from accounts.views import SignOutView
from transcripts.views import TranscriptDetailView, TranscriptListView, VideoTranscriptView
from videos.file_views import AudioView, FileView
from videos.views import (
    AnalyzeView,
    AttemptListView,
    CancelView,
    RetryView,
    VideoDetailView,
    VideoListView,
)
from ytbackend.api import nothing_here
from ytbackend.views import HealthView, MeView, RootView

handler400 = "ytbackend.api.bad_request"
handler404 = "ytbackend.api.not_found"
handler500 = "ytbackend.api.server_error"


class Deferred(URLResolver):
    """Addresses of a namespace, whose module is imported by the first request or name that needs one of them.

    Django would import it with the first name of any address, to collect those that are in no namespace.
    """

    def _populate(self) -> None:
        """Nothing: names within a namespace are looked up by resolvers of their own."""


class Late(URLPattern):
    """An address whose view, named by text, is imported by the first request for it."""

    def __init__(self, route: str, view: str, name: str) -> None:
        self.pattern, self.default_args, self.name = RoutePattern(route, name=name, is_endpoint=True), {}, name
        self.lookup_str = view  # Django would ask the view for its name

    @cached_property
    def callback(self) -> Callable[..., HttpResponseBase]:  # type: ignore[override]  # nobody sets it
        """The view."""
        view: Callable[..., HttpResponseBase] = import_string(self.lookup_str).as_view()
        return view


urlpatterns = [
    path("", RootView.as_view(), name="root"),
    path("health", HealthView.as_view(), name="health"),
    Late("schema", "ytbackend.documents.SchemaView", name="schema"),
    Late("docs", "ytbackend.documents.DocsView", name="docs"),
    path("me", MeView.as_view(), name="me"),
    path("keys", KeyListView.as_view(), name="keys"),
    path("keys/<str:id>", KeyDetailView.as_view(), name="key"),
    path("me/sign-out", SignOutView.as_view(), name="sign-out"),
    path("analyze", AnalyzeView.as_view(), name="analyze"),
    path("videos", VideoListView.as_view(), name="videos"),
    path("videos/<str:id>", VideoDetailView.as_view(), name="video"),
    path("videos/<str:id>/retry", RetryView.as_view(), name="retry"),
    path("videos/<str:id>/cancel", CancelView.as_view(), name="cancel"),
    path("videos/<str:id>/attempts", AttemptListView.as_view(), name="attempts"),
    path("videos/<str:id>/audio", AudioView.as_view(), name="audio"),
    path("videos/<str:id>/transcript", VideoTranscriptView.as_view(), name="video-transcript"),
    path("transcripts", TranscriptListView.as_view(), name="transcripts"),
    path("transcripts/<str:id>", TranscriptDetailView.as_view(), name="transcript"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    Deferred(RoutePattern("admin/"), "ytbackend.admin_urls", app_name="admin", namespace="admin"),
]

if not settings.S3_BUCKET:
    urlpatterns.append(path("files/<str:token>", FileView.as_view(), name="file"))
urlpatterns.append(path("<path:rest>", nothing_here))  # so that DEBUG answers as production does
