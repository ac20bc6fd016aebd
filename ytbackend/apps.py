"""The composition root as a Django app: its name, and its system checks."""

from django.apps import AppConfig


class ComposedConfig(AppConfig):
    """Everything put together."""

    name = "ytbackend"

    def ready(self) -> None:
        """Registers the checks."""
        from ytbackend import checks, migration_safety  # noqa: F401
