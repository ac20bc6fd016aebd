"""The packaged settings, and addresses that answer what Django has seen of a request. Lies beside the package, as a
layer would; the package itself stays as it is.
"""

import base64

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from ytbackend.settings import *  # noqa: F403

ROOT_URLCONF = "observed_urls"


@csrf_exempt
def seen(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Everything that an adapter has to get right."""
    return JsonResponse(
        {
            "method": request.method,
            "script_name": request.META["SCRIPT_NAME"],
            "path_info": request.path_info,
            "url": request.build_absolute_uri(),
            "client": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "host": request.get_host(),
            "headers": dict(request.headers),
            "query": dict(request.GET.lists()),
            "cookies": request.COOKIES,
            "body": base64.b64encode(request.body).decode(),
        }
    )


def cookies(request: HttpRequest) -> HttpResponse:
    """Sets two."""
    answer = HttpResponse("set")
    answer.set_cookie("first", "1", httponly=True)
    answer.set_cookie("second", "2", max_age=60)
    return answer


def packed(request: HttpRequest) -> HttpResponse:
    """Bytes that are no text, under a type that is one."""
    return HttpResponse(bytes(range(256)), content_type="application/json", headers={"Content-Encoding": "gzip"})


observed = [
    path("seen", seen),
    path("seen/<path:rest>", seen),
    path("cookies", cookies),
    path("packed", packed),
]
