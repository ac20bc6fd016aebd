"""Where the files of pages are: named by ``STORAGES``."""

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import get_script_prefix
from django.utils.encoding import filepath_to_uri

from ytbackend.pages import STATIC


class StaticFiles(StaticFilesStorage):
    """Addresses of static files below the prefix of the request, which differs between the domains of one process.

    Django would keep that of the first request for ever.
    """

    def url(self, name: str | None, force: bool = False) -> str:
        """The address of a file of this name."""
        return f"{get_script_prefix().rstrip('/')}{STATIC}{filepath_to_uri(name)}"
