"""The people who sit before the admin."""

import importlib

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from ytbackend import groups


@pytest.fixture(autouse=True, scope="session")
def _admin_is_loaded() -> None:
    importlib.import_module("ytbackend.admin_urls")  # as the first request below /admin/ does


def member_of(*names: str, sub: str) -> Client:
    groups.bring_up_to_date()
    user = User.objects.create(id=sub, email=f"{sub}@example.com", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=names))
    browser = Client()
    browser.force_login(user, backend="ytbackend.staff.LocalAccounts")
    return browser


@pytest.fixture
def viewer(db) -> Client:
    """May see everything."""
    return member_of(groups.VIEWERS, sub="viewer")


@pytest.fixture
def operator(db) -> Client:
    """May also mend."""
    return member_of(groups.VIEWERS, groups.OPERATORS, sub="operator")
