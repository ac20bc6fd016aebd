"""The composition root as a Django app: its name, its system checks, the admin's site, and what watches it all."""

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate


class ComposedConfig(AppConfig):
    """Everything put together."""

    name = "ytbackend"
    default = True

    def ready(self) -> None:
        """Registers the checks, and what ``migrate`` has to do beside migrations; watches where the settings say so."""
        from ytbackend import checks, groups, migration_safety, watching  # noqa: F401

        # Of an application with tables: for others Django sends no signal.
        accounts = apps.get_app_config("accounts")
        post_migrate.connect(groups.bring_up_to_date, sender=accounts, dispatch_uid="staff groups")
        watching.start()


class StaffAdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin with our site, which nothing loads before somebody asks for one of its pages.

    A function starts for calls of the API; modules and forms of the admin would add some hundredths of a second.
    """

    default = False
    default_site = "ytbackend.admin_site.StaffSite"


class ThemeConfig(AppConfig):
    """The admin's theme: templates and files. Its own configuration would load its forms and widgets at the start."""

    name = "unfold"
    default = False
