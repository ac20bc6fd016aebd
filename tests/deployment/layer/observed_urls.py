"""The packaged addresses, behind those of ``observed``."""

from observed import observed  # type: ignore[import-not-found]  # they lie side by side on the path

from ytbackend.urls import handler400, handler404, handler500
from ytbackend.urls import urlpatterns as packaged

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [*observed, *packaged]
