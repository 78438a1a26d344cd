"""The project's settings, but that whoever sends no token has that of TOKEN: for a client that can't send one."""

from __future__ import annotations

import os
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from todoproj.settings import *  # noqa: F403
from todoproj.settings import MIDDLEWARE

MIDDLEWARE = [f"{__name__}.token_middleware", *MIDDLEWARE]


def token_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        request.META.setdefault("HTTP_AUTHORIZATION", f"Bearer {os.environ['TOKEN']}")
        return get_response(request)

    return middleware
