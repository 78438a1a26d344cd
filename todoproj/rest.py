"""What every REST view shares: pages, and problem details (RFC 9457) for every error."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any, Final

from django.core import exceptions as django_exceptions
from django.http import Http404, HttpRequest, JsonResponse
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import exceptions, serializers
from rest_framework.fields import empty
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView, set_rollback

from todoproj.keyset import PAGE_SIZE, PAGE_SIZE_MAX
from todoproj.logs import apology
from todoproj.throttling import Throttled

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
IDEMPOTENCY_KEY = "Idempotency-Key"


class TextField(serializers.CharField):
    """A text, and nothing that could be written as one, such as a number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TextFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Says that a text holds no NUL, and at least one character that is no white space if it must not be blank."""

    target_class = TextField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        text: dict[str, Any] = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        text["not"] = {"pattern": r"\u0000"}
        if not self.target.allow_blank:
            # What Python strips and \s does not stand for everywhere is named one by one.
            text |= {"minLength": 1, "pattern": r"[^\s\u001c-\u001f\u0085]"}
        return text


class ExactTextField(TextField):
    """A text of at least one character, which may be white space, and is kept as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class ExactTextFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Says that it is not empty and holds no NUL."""

    target_class = ExactTextField

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        text: dict[str, Any] = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return text | {"not": {"pattern": r"\u0000"}, "minLength": 1}


class ChoiceField(serializers.ChoiceField):
    """One of a few texts. What was sent instead is not repeated: it may be of any length, or what no reply can hold."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        self.error_messages["invalid_choice"] = f"Use one of these: {', '.join(map(str, self.choices))}."


class KeysetPagination(BasePagination):
    """Pages by `?limit=` and `?cursor=`, as `{"next": URL, "results": []}`.

    A view hands it a function of these two that gives the rows, and the next page's cursor if there is one.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        limit = serializers.IntegerField(min_value=1, max_value=PAGE_SIZE_MAX, default=PAGE_SIZE)
        try:
            limit_given = limit.run_validation(request.query_params.get("limit", empty))
        except exceptions.ValidationError as error:
            raise exceptions.ValidationError({"limit": error.detail}) from None
        found, cursor = queryset(limit=limit_given, cursor=request.query_params.get("cursor"))
        self._next = cursor and replace_query_param(request.build_absolute_uri(), "cursor", cursor)
        return list(found)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {"type": "string", "format": "uri", "nullable": True, "description": "The next page."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE}
        return [
            {"name": "limit", "in": "query", "schema": limit, "description": "The most results a page may hold."},
            {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "From a reply's `next`."},
        ]


def given(serializer_class: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """What the client gave, as the serializer understands it. Raises rest_framework's ValidationError."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Problem details: `title` and `status` of HTTP, `detail` for this case, and what is wrong field by field."""
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body["detail"] = detail
    if errors:
        body["errors"] = errors
    return body


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """The reply to any exception in a REST view. One that nobody expected is logged, and named by reference only."""
    set_rollback()
    headers: dict[str, str] = {}
    errors = None
    match error:
        case django_exceptions.ValidationError():
            status, errors = 400, _django_errors(error)
        case exceptions.ValidationError():
            status, errors = 400, _drf_errors(error.get_full_details())
        case exceptions.APIException():
            status, detail = error.status_code, str(error.detail)
            if challenge := getattr(error, "auth_header", None):
                headers["WWW-Authenticate"] = challenge
            if wait := getattr(error, "wait", None):
                headers["Retry-After"] = str(math.ceil(wait))
        case Throttled():
            status, detail = 429, f"Too many calls. Try again in {error.wait} seconds."
            headers["Retry-After"] = str(error.wait)
        case django_exceptions.ObjectDoesNotExist() | Http404():
            status, detail = 404, "There is nothing at this address."
        case django_exceptions.PermissionDenied():
            status, detail = 403, "This is not allowed."
        case django_exceptions.RequestDataTooBig():
            status, detail = 413, "The body is too large."
        case django_exceptions.SuspiciousOperation():
            status, detail = 400, _BAD_REQUEST
        case _:
            logger.error("unexpected error", exc_info=error)
            status, detail = 500, apology()
    if errors:
        detail = " ".join(
            f"{fault['field']}: {fault['message']}" if fault["field"] else fault["message"] for fault in errors
        )
    return Response(problem(status, detail, errors), status=status, headers=headers, content_type=PROBLEM_JSON)


def _django_errors(error: django_exceptions.ValidationError) -> list[dict[str, str]]:
    by_field = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    return [
        {
            "field": "" if field == django_exceptions.NON_FIELD_ERRORS else field,
            "code": fault.code or "invalid",
            "message": message,
        }
        for field, faults in by_field.items()
        for fault in faults
        for message in fault.messages
    ]


def _drf_errors(details: Any, field: str = "") -> list[dict[str, str]]:
    if isinstance(details, list):
        return [fault for item in details for fault in _drf_errors(item, field)]
    if set(details) == {"message", "code"} and isinstance(details["message"], str):
        return [{"field": field, "code": details["code"], "message": details["message"]}]
    return [fault for name, item in details.items() for fault in _drf_errors(item, _within(field, name))]


def _within(field: str, name: str | int) -> str:
    """A field of a field, such as `messages.0.content`; what is wrong with no field of it is wrong with the whole."""
    if name == "non_field_errors":
        return field
    return f"{field}.{name}" if field else str(name)


_BAD_REQUEST: Final = "This can't be served as it was asked for: the host name, or something else in it, is not right."


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """What answers a request that Django finds suspicious, such as one for a host name that is not ours."""
    return JsonResponse(problem(400, _BAD_REQUEST), status=400, content_type=PROBLEM_JSON)


def page_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """What answers an address that does not exist."""
    return JsonResponse(problem(404, "There is nothing at this address."), status=404, content_type=PROBLEM_JSON)


def server_error(request: HttpRequest) -> JsonResponse:
    """What answers when a view failed in a way that nobody expected; Django has logged it."""
    return JsonResponse(problem(500, apology()), status=500, content_type=PROBLEM_JSON)


_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and how to put it right."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {name: {"type": "string"} for name in ["field", "code", "message"]},
            },
        },
    },
}


def add_problem_responses(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say in the OpenAPI document that any operation may answer with problem details, and that a body that has
    something to say must be there (a drf-spectacular hook)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    described = {
        400: "A value that can't be taken; `errors` says which.",
        401: "No token, or one that is unknown, expired or revoked.",
        403: "The token lacks the scope.",
        404: "There is nothing at this address.",
        429: "Too much of it; Retry-After says how many seconds to wait.",
    }
    described_of_bodies = {413: "The body is too large.", 415: "The body is not declared as JSON."}
    described_of_keys = {422: f"The {IDEMPOTENCY_KEY} was used for another request."}
    described_of_kept = {410: "The request was done before; what it was answered with has been deleted since."}
    for path in result["paths"].values():
        for operation in path.values():
            answers = described
            if "requestBody" in operation:
                operation["requestBody"]["required"] = _must_say_something(operation["requestBody"], schemas)
                answers = described | described_of_bodies
            if any(parameter["name"] == IDEMPOTENCY_KEY for parameter in operation.get("parameters", [])):
                answers = answers | described_of_keys
                if "204" not in operation["responses"]:
                    answers = answers | described_of_kept
            for status, description in answers.items():
                operation["responses"].setdefault(str(status), {"description": description, "content": content})
    return result


def _must_say_something(body: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether an empty body would lack something."""
    described = [schemas[content["schema"]["$ref"].rpartition("/")[2]] for content in body["content"].values()]
    return any({"required", "anyOf"} & schema.keys() for schema in described)
