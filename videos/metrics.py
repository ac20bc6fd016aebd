"""Numbers for CloudWatch, as lines of the log in its embedded metric format: no call, nothing to wait for.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

Written through the logger ``metrics``, which the settings give a handler where ``METRICS`` says so. docs/watching.md
lists every metric. Each combination of dimensions is a metric of its own and costs money, so what there are endless
many of (videos, users, requests) is told beside the numbers and is never a dimension.
"""

import logging
import time
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from videos import facts

NAMESPACE = "yt-backend"
log = logging.getLogger("metrics")

Unit = Literal["Count", "Milliseconds", "Seconds", "Bytes"]


class Metric(NamedTuple):
    """One number. ``by``: each set of dimensions that it can be looked at by; the empty one is the whole."""

    name: str
    value: float
    unit: Unit = "Count"
    by: tuple[tuple[str, ...], ...] = ((),)


def are_on() -> bool:
    """Whether anybody reads them: what has to be asked for first can then be left."""
    return log.isEnabledFor(logging.INFO)


def emit(metrics: Iterable[Metric], **told: str) -> None:
    """Writes one document. ``told`` has the dimensions' values, never empty, and whatever else helps to explain it."""
    if not are_on():
        return
    directives: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    values: dict[str, float] = {}
    for metric in metrics:
        directives.setdefault(metric.by, []).append({"Name": metric.name, "Unit": metric.unit})
        values[metric.name] = metric.value
    document: dict[str, Any] = {
        "_aws": {
            "Timestamp": time.time_ns() // 1_000_000,
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [list(names) for names in by], "Metrics": named}
                for by, named in directives.items()
            ],
        }
    }
    log.info(document | facts.current() | told | values)
