"""Static files of pages, wherever the function's addresses begin: one process serves several domains."""

import base64
import re
from collections.abc import Iterator

import pytest
from django.urls import clear_script_prefix

from tests.ytbackend.test_lambda_handler import DOMAIN, OWN_DOMAIN, rest
from ytbackend import lambda_handler, pages

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def surroundings(settings) -> Iterator[None]:
    settings.ALLOWED_HOSTS = [DOMAIN, OWN_DOMAIN]
    pages._pages.cache_clear()
    yield
    clear_script_prefix()  # the last request's stays with the thread


def body(event: dict) -> str:
    answer = lambda_handler.handler(event, None)
    assert answer["statusCode"] == 200, answer
    return base64.b64decode(answer["body"]).decode() if answer["isBase64Encoded"] else answer["body"]


def files_of(page: str) -> list[str]:
    found = re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', page)
    assert found
    return found


def test_a_page_below_a_stage_names_files_that_are_there():
    for address in files_of(body(rest("/docs"))):
        assert address.startswith("/default/static/")
        assert body(rest(address.removeprefix("/default")))


def test_another_domain_of_the_same_process_has_addresses_of_its_own():
    files_of(body(rest("/docs")))

    for address in files_of(body(rest("/docs", OWN_DOMAIN))):
        assert address.startswith("/static/")
        assert body(rest(address, OWN_DOMAIN))


def test_a_prefix_of_the_function_stands_before_them(settings):
    settings.API_BASE_PATH = "/yt-backend"

    for address in files_of(body(rest("/yt-backend/docs", OWN_DOMAIN))):
        assert address.startswith("/yt-backend/static/")
        assert body(rest(address, OWN_DOMAIN))


def test_the_admin_finds_its_files_below_a_stage(settings):
    settings.ADMIN_LOCAL_LOGIN = True

    for address in files_of(body(rest("/admin/login/"))):
        assert body(rest(address.removeprefix("/default")))
