"""A member of staff at work: in, find what has failed, mend it, see it done, see the plots, out."""

import json
import re
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from local.stack import Stack

SILENT = "SampleVoice"  # the one of the two samples that has no captions


def submitted(stack: Stack, youtube_id: str, mode: str) -> str:
    """A link as a front end sends it; gives the video's id."""
    headers = {"Authorization": f"Bearer {stack.token()}", "Content-Type": "application/json"}
    body = json.dumps({"url": f"https://youtu.be/{youtube_id}", "mode": mode}).encode()
    request = urllib.request.Request(f"{stack.api_url}/analyze", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["id"]


def sign_in(page: Page, stack: Stack, person: str) -> None:
    page.goto(f"{stack.api_url}/admin/")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=person).click()
    expect(page).to_have_url(f"{stack.api_url}/admin/")


def pixels(page: Page, canvas: str) -> int:
    """How many pixels of a plot are in a colour that is none of text, lines or ground."""
    return page.locator(f"#{canvas}").evaluate(
        """canvas => {
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let found = 0;
            for (let i = 0; i < data.length; i += 4) {
                const [r, g, b, a] = data.slice(i, i + 4);
                if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60) found++;
            }
            return found;
        }"""
    )


@pytest.fixture(scope="module")
def failed_id(stack: Stack) -> str:
    """A video without captions, of which captions were wanted."""
    return submitted(stack, SILENT, "captions")


def test_an_operator_finds_a_failed_video_reprocesses_it_and_watches_it_complete(page, stack, failed_id):
    sign_in(page, stack, "operator")
    page.get_by_role("link", name=re.compile("^failed")).click()
    expect(page).to_have_url(re.compile("state=failed"))

    for _ in range(60):
        if page.get_by_text("no_captions", exact=True).count():
            break
        page.wait_for_timeout(500)
        page.reload()
    page.locator("td.field-name a, th.field-name a").first.click()
    expect(page.locator("#attempts")).to_contain_text("no_captions")
    expect(page.locator("#standing")).to_contain_text("failed")

    page.get_by_role("link", name="Reprocess …").click()
    expect(page.locator("#content h2").first).to_have_text("Reprocess 1 video?")
    page.get_by_label("Mode").select_option("speech")
    page.get_by_role("button", name="Yes, reprocess 1").click()
    expect(page.get_by_text("1 video started again.")).to_be_visible()

    for _ in range(120):
        if page.locator("#standing .state-completed").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.locator("#standing")).to_contain_text("completed")
    expect(page.locator("#transcript .segments li").first).to_be_visible()
    expect(page.get_by_text("Started again (mode=speech).")).to_be_visible()

    with page.expect_popup() as opened:
        page.get_by_role("link", name=re.compile(r"transcript\.json$")).click()
    opened.value.wait_for_load_state()
    assert "segments" in opened.value.content()


def test_an_operator_finds_it_by_its_link_and_acts_from_the_list(page, stack, failed_id):
    sign_in(page, stack, "operator")
    page.goto(f"{stack.api_url}/admin/videos/video/")
    page.locator("#searchbar").fill(f"youtu.be/{SILENT}")
    page.locator("#searchbar").press("Enter")

    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("delete")
    page.get_by_role("button", name="Run").click()

    expect(page.locator("#content h2").first).to_have_text("Delete 1 video?")
    page.get_by_role("link", name="No, go back").click()
    expect(page).to_have_url(re.compile(failed_id))


def test_the_front_page_draws_its_plots_and_asks_the_queue_in_light_and_dark(page, stack, failed_id):
    sign_in(page, stack, "viewer")
    for _ in range(60):
        if page.locator("#jobs-hours").count():
            break
        page.wait_for_timeout(500)
        page.reload()

    page.wait_for_load_state()  # the script has drawn
    light = pixels(page, "jobs-hours")
    expect(page.locator('[data-of="waiting"]')).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator('[data-of="dead"]')).to_have_text("0")
    page.evaluate("document.documentElement.classList.add('dark')")
    page.wait_for_timeout(200)

    assert light > 20
    assert pixels(page, "jobs-hours") > 20
    assert pixels(page, "jobs-days") > 20


def test_a_viewer_sees_no_way_to_change_anything(page, stack, failed_id):
    sign_in(page, stack, "viewer")

    page.goto(f"{stack.api_url}/admin/videos/video/{failed_id}/change/")

    expect(page.locator("#attempts")).to_be_visible()
    expect(page.get_by_role("link", name="Reprocess …")).to_have_count(0)


def test_who_is_in_no_group_stays_outside(page, stack):
    page.goto(f"{stack.api_url}/admin/")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="nobody").click()

    expect(page.get_by_role("alert")).to_contain_text("not a member of the group staff")


def test_signing_out_ends_at_the_door(page, stack):
    sign_in(page, stack, "viewer")

    page.goto(f"{stack.api_url}/admin/")
    page.evaluate("document.querySelector('form[action$=\"/logout/\"]').submit()")

    expect(page).to_have_url(re.compile("/admin/login/"))


def test_a_reused_answer_of_cognito_lets_nobody_in(page, stack):
    page.goto(f"{stack.api_url}/admin/signed-in?code=stolen&state=stolen")

    expect(page.get_by_role("status")).to_contain_text("This sign-in was not begun in this tab.")
