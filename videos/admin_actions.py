"""What operators do to videos: asked once more with how many and what, done by the API's own services, and logged."""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import Error as DatabaseFailed
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from videos import services
from videos.models import Video

log = logging.getLogger(__name__)

MOST_AT_ONCE = 100  # a request must end in time: each takes some statements and a message

Options = dict[str, Any]


class ReprocessForm(forms.Form):
    """How to start again."""

    mode = forms.ChoiceField(
        choices=[("", "the same as before"), *Video.Mode.choices], required=False, widget=UnfoldAdminSelectWidget
    )
    force = forms.BooleanField(
        required=False,
        label="also those that wait or are in work",
        help_text="A worker that is busy with one loses it.",
        widget=UnfoldBooleanSwitchWidget,
    )


@dataclass(frozen=True)
class Deed:
    """One thing that can be done to a video."""

    name: str
    verb: str  # "reprocess", as in "reprocess 3 videos"
    done: str  # what is said and logged afterwards
    what: str  # happens
    permission: str
    states: frozenset[str]  # in which it can be done, as far as the row tells; the service decides
    do: Callable[[Video, Options], bool]
    flag: int = CHANGE
    form: type[forms.Form] = forms.Form

    def allowed(self, request: HttpRequest) -> bool:
        """Whether this member of staff may."""
        return bool(request.user.has_perm(self.permission))


def _reprocess(video: Video, options: Options) -> bool:
    mode = options.get("mode") or None
    return services.reprocess_video(video, force=bool(options.get("force")), mode=mode) is not None


def _delete(video: Video, options: Options) -> bool:
    services.delete_video(video)
    return True


_ENDED = frozenset({"completed", "failed"})
_UNDER_WAY = frozenset({"queued", "processing"})
_CHANGE, _DELETE = "videos.change_video", "videos.delete_video"

DEEDS = {
    deed.name: deed
    for deed in (
        Deed(
            "reprocess",
            "reprocess",
            "started again",
            "Each starts once more from the beginning. What it has stays until the new transcript takes its place.",
            _CHANGE,
            _ENDED,
            _reprocess,
            form=ReprocessForm,
        ),
        Deed(
            "cancel",
            "cancel",
            "cancelled",
            "Each is failed with the code “cancelled”; a worker that is busy with it stops. Its user may try it again.",
            _CHANGE,
            _UNDER_WAY,
            lambda video, options: services.cancel_video(video),
        ),
        Deed(
            "release",
            "release",
            "released",
            "What has lost its worker goes back into the queue, and what is due is sent once more. The rest is left.",
            _CHANGE,
            _UNDER_WAY,
            lambda video, options: services.release_stuck(video),
        ),
        Deed(
            "delete",
            "delete",
            "deleted",
            "The row, its transcript and its files are gone for good, for its user as well.",
            _DELETE,
            _ENDED | _UNDER_WAY,
            _delete,
            flag=DELETION,
        ),
    )
}


def chosen(deed: Deed, request: HttpRequest, queryset: QuerySet[Video]) -> HttpResponse:
    """From a list to the page that asks."""
    ids = [pk.hex for pk in queryset.values_list("pk", flat=True)[: MOST_AT_ONCE + 1]]
    if len(ids) > MOST_AT_ONCE:
        messages.warning(request, _too_many(deed))
    return HttpResponseRedirect(f"{address(deed)}?ids={','.join(ids[:MOST_AT_ONCE])}")


def address(deed: Deed) -> str:
    """The page that asks."""
    return reverse("admin:videos_video_do", args=[deed.name])


def asked(request: HttpRequest, name: str, context: Callable[[HttpRequest], dict[str, Any]]) -> HttpResponse:
    """Says how many and what; with the answer yes, does it."""
    deed = DEEDS.get(name)
    if deed is None:
        raise Http404
    if not deed.allowed(request):
        raise PermissionDenied
    ids = _ids(request.POST.get("ids") or request.GET.get("ids", ""))
    videos = list(Video.objects.filter(pk__in=ids).select_related("user").order_by("-created_at"))
    form = deed.form(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        return _carried_out(request, deed, videos, form.cleaned_data)
    states = Counter(video.status for video in videos)
    modes = Counter(video.get_mode_display() for video in videos)
    return TemplateResponse(
        request,
        "staff/confirm.html",
        context(request)
        | {
            "title": f"{capfirst(deed.verb)} {_number(len(videos))}?",
            "deed": deed,
            "form": form,
            "videos": videos,
            "ids": ",".join(video.pk.hex for video in videos),
            "states": sorted(states.items()),
            "modes": sorted(modes.items()) if "mode" in form.fields else [],
            "others": sum(number for state, number in states.items() if state not in deed.states),
            "missing": len(ids) - len(videos),
            "back": _back(videos),
        },
    )


def _carried_out(request: HttpRequest, deed: Deed, videos: Iterable[Video], options: Options) -> HttpResponse:
    done: list[Video] = []
    left: list[Video] = []
    failed: list[Video] = []
    told = ", ".join(f"{key}={value}" for key, value in options.items() if value)
    for video in videos:
        try:
            (done if deed.do(video, options) else left).append(video)
        except DatabaseFailed:
            log.exception("video %s could not be %s by staff", video.pk, deed.done)
            failed.append(video)
            continue
        if video in done:
            _note(request, deed, video, told)
    if done:
        messages.success(request, f"{capfirst(_number(len(done)))} {deed.done}.")
    if left:
        messages.warning(request, f"{capfirst(_number(len(left)))} left as it is: in no state for that by now.")
    if failed:
        messages.error(
            request, f"{capfirst(_number(len(failed)))} could not be {deed.done}: the database failed. Try again."
        )
    remaining = [] if deed.flag == DELETION else [*done, *left, *failed]
    return HttpResponseRedirect(_back(remaining))


def _note(request: HttpRequest, deed: Deed, video: Video, options: str) -> None:
    """Who did what, for the admin's history and for the log."""
    said = f"{capfirst(deed.done)} ({options})." if options else f"{capfirst(deed.done)}."
    log.info("video %s was %s by staff member %s %s", video.pk, deed.done, request.user.pk, options)
    try:
        LogEntry.objects.log_actions(str(request.user.pk), [video], deed.flag, said, single_object=True)
    except DatabaseFailed:
        log.exception("what was done to video %s is only in this log", video.pk)


def _ids(text: str) -> list[uuid.UUID]:
    found = []
    for part in text.split(",")[:MOST_AT_ONCE]:
        try:
            found.append(uuid.UUID(part))
        except ValueError:
            continue
    return list(dict.fromkeys(found))


def _back(videos: list[Video]) -> str:
    if len(videos) == 1:
        return reverse("admin:videos_video_change", args=[videos[0].pk])
    return reverse("admin:videos_video_changelist")


def _number(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _too_many(deed: Deed) -> str:
    more = "manage.py reprocess" if deed.name == "reprocess" else "a filter, page by page"
    return f"No more than {MOST_AT_ONCE} can be done at once: these are the first. For more use {more}."
