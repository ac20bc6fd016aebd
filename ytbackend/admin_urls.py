"""The addresses below ``/admin/``. Whoever imports this loads the admin with its theme and forms."""

from django.contrib import admin

admin.autodiscover()  # not at the start: see StaffAdminConfig

urlpatterns = admin.site.get_urls()
