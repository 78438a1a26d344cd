"""`Idempotency-Key`, for views that write."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from todoproj.idempotency.models import KEY_MAX_LENGTH
from todoproj.idempotency.services import KeyReused, Reply, claim_key, keep_reply
from todoproj.rest import IDEMPOTENCY_KEY
from todoproj.users.authentication import user_id_of

# Tells the reply to a request that came again from that to one that was just done.
REPLAYED = "Idempotent-Replayed"

# Printable ASCII that neither begins nor ends with a space, which HTTP would take away.
_PATTERN = r"^[!-~]([ -~]*[!-~])?$"

_PARAMETER = OpenApiParameter(
    IDEMPOTENCY_KEY,
    {"type": "string", "minLength": 1, "maxLength": KEY_MAX_LENGTH, "pattern": _PATTERN},
    OpenApiParameter.HEADER,
    description=(
        "Makes it safe to send the request again, when no reply came: choose a new one for each request, such as a "
        "random UUID, and send the same request with the same key. For 24 hours, it is done once, and answered again "
        "with the same status, and with what it made or changed as that is now; 410 if that has been deleted since."
    ),
)


class KeyAlreadyUsed(APIException):
    status_code = 422
    default_detail = f"This {IDEMPOTENCY_KEY} was used for another request. Choose a new one for each request."


class Gone(APIException):
    status_code = 410
    default_detail = (
        "This request was done before, and is not done again. What it was answered with has been deleted since."
    )


# Gives the body of a reply that tells of these ids. Raises ObjectDoesNotExist for what is gone.
Show = Callable[[Request, Sequence[int]], Any]


def idempotent(show: Show | None = None) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Makes a view's method do the same request with the same Idempotency-Key once, and answer it again.

    The key and what the method does are one transaction: what fails leaves no key, and can be tried again with it.
    Without the header, the method is called, and that is all.

    show: gives the body when the request comes again, of what is there then; None where a reply has no body.
    """

    def decorate(method: Callable[..., Response]) -> Callable[..., Response]:
        @extend_schema(parameters=[_PARAMETER])
        @wraps(method)
        def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = request.headers.get(IDEMPOTENCY_KEY)
            if key is None:
                return method(view, request, *args, **kwargs)
            if len(key) > KEY_MAX_LENGTH or not re.fullmatch(_PATTERN, key):
                fault = f"It must be 1 to {KEY_MAX_LENGTH} printable ASCII characters, such as a random UUID."
                raise ValidationError({IDEMPOTENCY_KEY: ValidationError(fault, "invalid")})
            user_id, digest = user_id_of(request), _digest(request)
            with transaction.atomic():
                try:
                    kept = claim_key(user_id=user_id, key=key, digest=digest)
                except KeyReused:
                    raise KeyAlreadyUsed from None
                if kept is None:
                    response = method(view, request, *args, **kwargs)
                    reply = Reply(response.status_code, _ids(response.data))
                    keep_reply(user_id=user_id, key=key, reply=reply)
                    return response
            try:
                body = show(request, kept.ids) if show else None
            except ObjectDoesNotExist:
                raise Gone from None
            return Response(body, status=kept.status, headers={REPLAYED: "true"})

        return answer

    return decorate


def _ids(data: Any) -> list[int]:
    """Of what the body of a reply shows: one thing, or an object's one list of them."""
    if data is None:
        return []
    [rows] = [[data]] if "id" in data else data.values()
    return [row["id"] for row in rows]


def _digest(request: Request) -> str:
    """Of the method, the address and the body."""
    said = [str(request.method).encode(), request.get_full_path().encode(), request.body]
    return hashlib.sha256(b" ".join(said)).hexdigest()
