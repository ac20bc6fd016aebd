"""What watches the service from outside: begun with the process, and only loaded where it is switched on."""

from django.conf import settings


def start() -> None:
    """Begins what the settings name. Safe to call once for a process."""
    if settings.SENTRY_DSN:
        from ytbackend import error_reports

        error_reports.start()
    if settings.TRACES_ENDPOINT:
        from ytbackend import tracing

        tracing.start()


def report(error: Exception) -> None:
    """Tells of an exception that leaves the process without a line in the log."""
    if settings.SENTRY_DSN:
        from ytbackend import error_reports

        error_reports.capture(error)


def flush() -> None:
    """Sends what waits to be sent; at the end of an invocation of Lambda, which is frozen until the next one."""
    if settings.SENTRY_DSN:
        from ytbackend import error_reports

        error_reports.flush()
    if settings.TRACES_ENDPOINT:
        from ytbackend import tracing

        tracing.flush()


def stop() -> None:
    """Ends what ``start`` has begun; what waits is sent."""
    if settings.SENTRY_DSN:
        from ytbackend import error_reports

        error_reports.stop()
    if settings.TRACES_ENDPOINT:
        from ytbackend import tracing

        tracing.stop()
