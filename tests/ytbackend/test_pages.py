"""The pages that people look at, in a real browser: under their policy, and with strangers' text in them.

Chromium refuses what a page's policy forbids and says so in its console.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from accounts.models import User
from tests import builders
from tests.ytbackend.admin.test_tables import page as address_of
from transcripts.models import Transcript
from transcripts.segments import Segment
from videos.models import Breaker, Deletion, Video

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
IMAGE = "<img src=x onerror=\"document.title='owned'\">"
SCRIPT = "</td></script><script>document.title='owned'</script>"
OVERRIDE = "holiday \u202egpj.exe"
HUGE = "very long " * 100_000


class Visitor:
    """Somebody with a window, and what the browser's console said there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.statuses: dict[str, int] = {}
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "favicon.ico" not in message.location["url"]:
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(request.url)

    def goes_to(self, address: str) -> Page:
        answer = self.page.goto(self.url + address, wait_until="networkidle")
        self.statuses[address] = answer.status
        return self.page

    def is_unharmed(self) -> bool:
        assert self.complaints == []
        assert self.foreign == []
        assert set(self.statuses.values()) == {200}
        assert self.page.title() != "owned"
        return True


@pytest.fixture
def visitor(chromium: Browser, live_server) -> Iterator[Visitor]:
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield Visitor(page, live_server.url)
    context.close()


@pytest.fixture
def staff(visitor, settings) -> Visitor:
    settings.ADMIN_LOCAL_LOGIN = True
    User.objects.create_superuser("root", PASSWORD, email="root@example.com")
    page = visitor.goes_to("/admin/login/?next=/admin/")
    page.fill("#id_username", "root")
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
    return visitor


def hostile_rows() -> list[Video]:
    """What a stranger's video could bring, if nothing on the way had cleaned it."""
    hostile = [
        Segment(0, 900, IMAGE),
        Segment(900, 1800, SCRIPT),
        Segment(1800, 2700, OVERRIDE),
        Segment(2700, 3600, "javascript:alert(1)"),
    ]
    videos = [builders.completed(title=title, channel=title, segments=hostile) for title in (IMAGE, SCRIPT, OVERRIDE)]
    odd = builders.failed(title="javascript:alert(1)", channel="{{ 7|add:7 }}")
    Video.objects.filter(pk=odd.pk).update(url="javascript:alert(1)", error_detail=IMAGE)
    Deletion.objects.create(prefix=videos[0].files_prefix)
    Breaker.objects.youtube().failed("source_refused")
    return [*videos, odd]


def test_the_docs_show_every_operation(visitor):
    page = visitor.goes_to("/docs")

    page.wait_for_selector(".opblock-summary-path")

    shown = {element.inner_text().replace("\u200b", "") for element in page.query_selector_all(".opblock-summary-path")}
    assert {"/analyze", "/videos", "/videos/{id}/transcript", "/me", "/health"} <= shown
    assert visitor.is_unharmed()


def test_the_docs_open_and_try_an_operation(visitor):
    page = visitor.goes_to("/docs#/service/readHealth")
    page.wait_for_selector("#operations-service-readHealth .try-out__btn")

    page.click("#operations-service-readHealth .try-out__btn")
    page.click("#operations-service-readHealth .execute")

    page.wait_for_selector("#operations-service-readHealth .live-responses-table .response-col_status")
    shown = page.inner_text("#operations-service-readHealth .live-responses-table")
    assert '"status": "ok"' in shown
    assert visitor.is_unharmed()


def test_the_admin_is_entered_and_shows_every_list_and_page(staff):
    hostile_rows()
    rows = [User.objects.first(), *Video.objects.all(), *Transcript.objects.all(), Deletion.objects.get(),
            Breaker.objects.get()]  # fmt: skip

    for row in rows:
        staff.goes_to(address_of(type(row), "changelist"))
        assert staff.is_unharmed()
        staff.goes_to(address_of(type(row), "change", row.pk))
        assert staff.is_unharmed()

    assert len(staff.statuses) > 10
    assert staff.page.query_selector("link[href$='staff/admin.css']")


def test_a_policy_that_is_broken_would_be_seen(visitor):
    page = visitor.goes_to("/admin/login/")

    page.evaluate("document.body.appendChild(document.createElement('script')).textContent = 'document.title = 1'")
    page.wait_for_timeout(100)

    assert any("Content Security Policy" in complaint for complaint in visitor.complaints)
    assert page.title() != "1"


def test_the_admins_own_scripts_run(staff):
    builders.failed()
    page = staff.goes_to(address_of(User, "change", User.objects.first().pk))

    page.wait_for_selector(".selector-chosen")  # made by a script from a plain list

    assert staff.is_unharmed()


def test_markup_of_strangers_is_text(staff):
    videos = hostile_rows()
    transcript = videos[0].transcript

    page = staff.goes_to(address_of(Transcript, "change", transcript.pk))

    shown = page.inner_text("body")
    assert IMAGE in shown
    assert SCRIPT in shown
    assert page.query_selector_all("img[src=x]") == []
    assert "document.title" not in "".join(script.inner_text() for script in page.query_selector_all("script"))


def test_no_link_runs_a_script(staff):
    odd = hostile_rows()[-1]

    page = staff.goes_to(address_of(Video, "change", odd.pk))

    addresses = [link.get_attribute("href") for link in page.query_selector_all("a[href]")]
    assert [address for address in addresses if address.lower().strip().startswith("javascript:")] == []
    assert staff.is_unharmed()


@pytest.mark.parametrize("model", [Video, Transcript])
def test_a_title_cannot_turn_the_line_around_it(staff, model):
    """https://www.w3.org/TR/css-writing-modes-3/#unicode-bidi and https://trojansource.codes/."""
    video = builders.completed(title=OVERRIDE, segments=[Segment(0, 900, OVERRIDE)])
    row = {Video: video, Transcript: video.transcript}[model]

    listed = staff.goes_to(address_of(model, "changelist")).inner_text("body")
    shown = staff.goes_to(address_of(model, "change", row.pk)).inner_text("body")

    assert r"holiday \u202egpj.exe" in listed
    assert r"holiday \u202egpj.exe" in shown
    assert OVERRIDE not in listed + shown


def test_a_title_without_end_and_with_nul_is_shown_cut(staff):
    title = f"{HUGE[:400]}\x01{IMAGE}"[:500]
    builders.completed(title=title, segments=[Segment(0, 900, HUGE)])

    page = staff.goes_to(address_of(Video, "changelist"))

    assert len(page.inner_text("#result_list")) < 1000
    assert staff.is_unharmed()
