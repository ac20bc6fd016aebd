"""The admin's own pages: its front page, its doors, and what all its pages share."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, path, reverse
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from ytbackend import front_page, staff

View = Callable[..., HttpResponseBase]

_NAVIGATION = (
    ("Front page", "monitoring", "admin:index", ""),
    ("Videos", "smart_display", "admin:videos_video_changelist", "videos.view_video"),
    ("Transcripts", "description", "admin:transcripts_transcript_changelist", "transcripts.view_transcript"),
    ("Users", "group", "admin:accounts_user_changelist", "accounts.view_user"),
)


class StaffSite(UnfoldAdminSite):  # type: ignore[misc]
    """``/admin/``."""

    site_header = site_title = "YouTube transcripts"
    index_title = "How the service is"
    index_template = "staff/front_page.html"
    login_template = "staff/login.html"
    logout_template = "staff/logged_out.html"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's and the theme's, and ours."""
        ours = [
            path("queue", self.admin_view(self.queue), name="queue"),
            path("signed-in", guarded(never_cache(staff.signed_in)), name="signed_in"),
        ]
        return [*ours, *super().get_urls()]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Every page says what a browser may do with it."""
        return guarded(super().admin_view(view, cacheable))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page needs. Colours come from our style sheet, as no page has styles within."""
        context: dict[str, Any] = super().each_context(request)
        return context | {
            "colors": None,
            "border_radius": None,
            "styles": [static("staff/admin.css")],
            "site_favicons": [{"rel": "icon", "type": "image/svg+xml", "href": static("staff/icon.svg")}],
            "sidebar_navigation": _navigation(request),
            "sidebar_show_all_applications": True,
        }

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The front page."""
        shown = front_page.shown() if request.user.has_perm("videos.view_video") else {}
        page: TemplateResponse = super().index(request, (extra_context or {}) | shown)
        return page

    def queue(self, request: HttpRequest) -> HttpResponse:
        """The part of the front page that somebody else has to be asked for: its page does not wait for that."""
        if not request.user.has_perm("videos.view_video"):
            raise PermissionDenied
        return JsonResponse(front_page.queue_shown())

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The door: by Cognito where a domain is set, by password where that is switched on."""
        door = staff.door(request, self._destination(request))
        if request.method == "POST" and not settings.ADMIN_LOCAL_LOGIN:
            return guarded(staff.no_passwords)(request)
        answer: HttpResponseBase = guarded(super().login)(request, (extra_context or {}) | door.context)
        return door.stamped(answer)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Ends the session here, and then the one at Cognito, which would let anybody at this machine in again."""
        context = {"cognito": staff.farewell(request)}
        answer: HttpResponseBase = guarded(super().logout)(request, (extra_context or {}) | context)
        return answer

    def _destination(self, request: HttpRequest) -> str:
        return request.GET.get(REDIRECT_FIELD_NAME, "") or reverse("admin:index")


def guarded(view: View) -> View:
    """A view whose pages load only what this host serves, and run nothing that stands in them.

    ``unsafe-eval`` is for Alpine, which evaluates the theme's own attributes. Only the page that a sign-in comes back
    to may talk to anybody else: to Cognito, which changes its code for a token.
    """

    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response.setdefault("Content-Security-Policy", content_security_policy(request.path_info))
        return response

    return update_wrapper(answer, view)


def content_security_policy(path_info: str) -> str:
    """What pages below ``/admin/`` may do: https://www.w3.org/TR/CSP3/."""
    at_the_door = path_info.rstrip("/").endswith("/signed-in")
    far = f" {settings.COGNITO_DOMAIN}" if at_the_door and settings.COGNITO_DOMAIN else ""
    return (
        "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{far}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The four pages that staff live in; all tables are one click further."""
    items = [
        {
            "has_permission": True,
            "title": title,
            "icon": icon,
            "link": reverse(name),
            "active": _is_below(request, name),
        }
        for title, icon, name, permission in _NAVIGATION
        if not permission or request.user.has_perm(permission)
    ]
    return [{"items": items}] if request.user.is_authenticated else []


def _is_below(request: HttpRequest, name: str) -> bool:
    address = reverse(name)
    return request.path == address or (name != "admin:index" and request.path.startswith(address))
