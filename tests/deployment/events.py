"""Every front that the function may stand behind, and what it makes of requests."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from local.aws.fronts import Answer, Front, Request
from local.aws.http_api import HttpApi
from local.aws.load_balancer import LoadBalancer
from local.aws.rest_api import RestApi

DOMAIN = "api.shri.software"
PREFIX = "/yt-backend"  # of the function, as API_BASE_PATH says


class Way(NamedTuple):
    """A front, and where the API begins in the client's address; ``told`` is what of it the event tells."""

    front: Front
    start: str
    told: str

    @property
    def host(self) -> str:
        return self.front.host

    @property
    def url(self) -> str:
        """The address of the API's root, as far as the function can know it."""
        return f"https://{self.host}{self.told}"


def way(front: Front, start: str, told: str | None = None) -> Way:
    return Way(front, start, start if told is None else told)


WAYS = {
    "REST API": way(RestApi(), "/default"),
    "REST API, own domain": way(RestApi(domain=DOMAIN), ""),
    "REST API, own domain, base path": way(RestApi(domain=DOMAIN, base_path="/v1"), "/v1"),
    "REST API, own domain, base path of two": way(RestApi(domain=DOMAIN, base_path="/a/b"), "/a/b"),
    "HTTP API 2.0": way(HttpApi(), "/default"),
    "HTTP API 2.0, stage $default": way(HttpApi(stage="$default"), ""),
    "HTTP API 2.0, own domain": way(HttpApi(domain=DOMAIN), ""),
    "HTTP API 2.0, own domain, no stage in rawPath": way(HttpApi(domain=DOMAIN, stage_in_path=False), ""),
    "HTTP API 2.0, own domain, mapping": way(HttpApi(domain=DOMAIN, mapping="/v1"), "/v1", ""),  # the event has none
    "HTTP API 1.0": way(HttpApi("1.0"), "/default"),
    "HTTP API 1.0, stage $default": way(HttpApi("1.0", stage="$default"), ""),
    "HTTP API 1.0, own domain": way(HttpApi("1.0", domain=DOMAIN), ""),
    "load balancer": way(LoadBalancer(), ""),
    "load balancer, multiple values": way(LoadBalancer(multi_value=True), ""),
}
# A load balancer that is not asked for all values hands on the last one.
ALL_VALUES = {name: found for name, found in WAYS.items() if name != "load balancer"}


def header(answer: Answer, name: str) -> list[str]:
    """All values, also under the name that a REST API gives it."""
    names = (name.lower(), f"x-amzn-remapped-{name.lower()}")
    return [value.strip() for key, value in answer.headers if key.lower() in names]


def with_decoded_path(event: dict[str, Any], path: str) -> dict[str, Any]:
    """The same event from a gateway that decodes paths."""
    event = copy.deepcopy(event)
    if "rawPath" in event:
        event["rawPath"] = path
    else:
        event["path"] = path
    return event


WRONG: tuple[Any, ...] = (None, "", "/é", "%ff%zz", 7, True, [], ["x", None], {}, {"x": None}, {"": [7]})


def mutilations(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The event with each of its parts, in turn, missing or replaced by each of ``WRONG``; with what was done."""
    for path in _paths(event):
        name = ".".join(path)
        yield f"without {name}", _changed(event, path, lambda parent, key: parent.pop(key))
        for value in WRONG:
            yield (
                f"{name} = {value!r}",
                _changed(event, path, lambda parent, key, value=value: parent.update({key: value})),
            )


def _paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from _paths(inner, (*path, key))


def _changed(event: dict[str, Any], path: tuple[str, ...], change: Callable[..., Any]) -> dict[str, Any]:
    changed = copy.deepcopy(event)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return changed


def request(target: str, method: str = "GET", body: bytes = b"", **headers: Any) -> Request:
    """Header names with underscores for hyphens."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, target, (("Accept", "*/*"), *named), body)
