"""The composition root as a Django app: its name, its system checks, and what watches it."""

from django.apps import AppConfig


class ComposedConfig(AppConfig):
    """Everything put together."""

    name = "ytbackend"

    def ready(self) -> None:
        """Registers the checks, and begins to watch where the settings say so."""
        from ytbackend import checks, migration_safety, watching  # noqa: F401

        watching.start()
