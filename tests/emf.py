"""CloudWatch's embedded metric format, as its specification has it, to hold documents against.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import itertools
import json
import time
from typing import Any

import jsonschema

_RATED = ["Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits",
          "Terabits", "Count"]  # fmt: skip
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
UNITS = ["Seconds", "Microseconds", "Milliseconds", "Percent", "None", *_RATED, *(f"{unit}/Second" for unit in _RATED)]
_NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]([ -~]*[!-~])?$"}
_DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": {**_NAME, "not": {"pattern": "^AWS/"}},
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "maxItems": 30, "uniqueItems": True, "items": _NAME},
        },
        "Metrics": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["Name"],
                "additionalProperties": False,
                "properties": {
                    "Name": _NAME,
                    "Unit": {"enum": UNITS},
                    "StorageResolution": {"enum": [1, 60]},
                },
            },
        },
    },
}
_SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": _DIRECTIVE},
            },
        }
    },
}
_HOUR_MS = 3_600_000


def wrong_with(line: str) -> list[str]:
    """What CloudWatch would refuse about a line of the log; nothing where it takes every metric of it."""
    document = json.loads(line)
    wrong = [error.message for error in jsonschema.Draft7Validator(_SCHEMA).iter_errors(document)]
    if wrong:
        return wrong
    now = time.time() * 1000
    if not now - 14 * 24 * _HOUR_MS < document["_aws"]["Timestamp"] < now + 2 * _HOUR_MS:
        wrong.append("the timestamp is more than two weeks old or two hours ahead")
    if len(line.encode()) > 256 * 1024:
        wrong.append("the document is larger than 256 KB")
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for name in set(itertools.chain.from_iterable(directive["Dimensions"])):
            value = document.get(name)
            if not (isinstance(value, str) and 0 < len(value) <= 1024 and value.isascii() and value.strip()):
                wrong.append(f"the dimension {name} is {value!r}")
        for metric in directive["Metrics"]:
            value = document.get(metric["Name"])
            if isinstance(value, bool) or not isinstance(value, int | float):
                wrong.append(f"the metric {metric['Name']} is {value!r}")
    names = [metric["Name"] for directive in document["_aws"]["CloudWatchMetrics"] for metric in directive["Metrics"]]
    if len(names) != len(set(names)):
        wrong.append(f"a metric stands in it twice: {names}")
    return wrong


def dimensions(document: dict[str, Any]) -> dict[str, str]:
    """Every dimension of it with its value."""
    sets = [names for directive in document["_aws"]["CloudWatchMetrics"] for names in directive["Dimensions"]]
    return {name: document[name] for name in itertools.chain.from_iterable(sets)}


def numbers(document: dict[str, Any]) -> dict[str, float]:
    """Every metric of it with its value."""
    metrics = [metric for directive in document["_aws"]["CloudWatchMetrics"] for metric in directive["Metrics"]]
    return {metric["Name"]: document[metric["Name"]] for metric in metrics}
