"""OAuth over HTTP: what programs call, and the pages where people log in, consent and disconnect."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django.views.generic import TemplateView, View
from django.views.generic.base import TemplateResponseMixin
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauth2_provider.models import Application
from oauth2_provider.views import OAuthProtectedResourceMetadataView
from oauth2_provider.views.base import BaseAuthorizationView
from oauth2_provider.views.mixins import OAuthLibMixin
from oauthlib.common import urldecode
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidRequestFatalError

from todoproj import rest, strict_json, throttling
from todoproj.addresses import issuer, resource
from todoproj.middleware import PROGRAMS_ONLY
from todoproj.oauth.clients import LOOPBACK, ClientMetadataError, application_from
from todoproj.oauth.services import connected_apps, disconnect_app, redirect_target, scopes_in_words
from todoproj.text import is_storable
from todoproj.users import events
from todoproj.users.events import Kind
from todoproj.users.models import MCP_SCOPES

REGISTRATION_MAX_SIZE: Final = 16 * 1024  # bytes

_CHALLENGE: Final = re.compile("[A-Za-z0-9_-]{43}")

UNREADABLE: Final = "The request holds characters or escapes that can't be read. Send it as UTF-8, well escaped."


def is_readable(request: HttpRequest) -> bool:
    """Whether everything that oauthlib and the database would have to read can be read."""
    try:
        urldecode(request.META.get("QUERY_STRING", ""))
    except ValueError:
        return False
    values = [value for data in (request.GET, request.POST) for _, values in data.lists() for value in values]
    return all(map(is_storable, values)) and request.META.get("HTTP_AUTHORIZATION", "").isascii()


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What answers an address that does not exist: a page in a browser, and problem details to programs."""
    if request.path_info.startswith(PROGRAMS_ONLY) or "text/html" not in request.META.get("HTTP_ACCEPT", ""):
        return rest.page_not_found(request, exception)
    return render(request, "404.html", status=404)


@method_decorator(never_cache, name="dispatch")
class AuthorizeView(TemplateResponseMixin, BaseAuthorizationView):
    """Asks a person, always, whether a client may act for them (RFC 6749 section 4.1.1).

    The form sends back to the same address, whose query is all that counts: there is nothing in the form to change.
    """

    template_name = "oauth/error.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_readable(request):
            return self.error_response(FatalClientError(InvalidRequestFatalError(UNREADABLE)), None)
        # Before the client is looked up: nobody can make this server fetch a document without an account here.
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        try:
            self.scopes, self.credentials = self.validate_authorization_request(request)
            self.application = Application.objects.get(client_id=self.credentials["client_id"])
            self.require_resource(request)
            self.require_challenge()
            return super().dispatch(request, *args, **kwargs)
        except OAuthToolkitError as error:
            return self.error_response(error, None)

    def require_resource(self, request: HttpRequest) -> None:
        ours = resource(request)
        if any(value != ours for value in request.GET.getlist("resource")):
            self.refuse("invalid_target", f"Tokens are for {ours} alone. Send that as resource, or none.")
        self.credentials["resource"] = [ours]

    def require_challenge(self) -> None:
        """A SHA-256 in Base64, as the only method has it (RFC 7636 section 4.2): else no verifier would ever fit."""
        if not _CHALLENGE.fullmatch(self.credentials.get("code_challenge") or ""):
            expected = "Send the SHA-256 of the verifier as code_challenge: 43 characters of base64url."
            self.refuse("invalid_request", expected)

    def refuse(self, error: str, description: str) -> NoReturn:
        """Send the person back to the client, with the error (RFC 6749 section 4.1.2.1)."""
        refusal = CustomOAuth2Error(error, description, state=self.credentials["state"])
        raise OAuthToolkitError(refusal, redirect_uri=self.credentials["redirect_uri"])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        is_document = self.application.registration_source == Application.RegistrationSource.CIMD
        return self.response_class(
            request,
            ["oauth/authorize.html"],
            {
                "application": self.application,
                "client_host": urlsplit(self.application.client_id).netloc if is_document else "",
                "redirect_target": redirect_target(self.credentials["redirect_uri"]),
                "to_own_machine": urlsplit(self.credentials["redirect_uri"]).hostname in LOOPBACK,
                "resource": self.credentials["resource"][0],
                "scopes": scopes_in_words(self.scopes),
            },
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allow = "allow" in request.POST
        uri, *_ = self.create_authorization_response(request, " ".join(self.scopes), self.credentials, allow=allow)
        if allow:
            events.record(
                Kind.APP_CONNECTED,
                user_id=str(request.user.pk),
                client=self.application.client_id,
                detail=" ".join(self.scopes),
            )
        return self.redirect(uri, self.application)

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Back to the client, with `iss` whatever the outcome (RFC 9207 section 2)."""
        parts = urlsplit(redirect_to)
        query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "iss"]
        query.append(("iss", issuer(self.request)))
        return super().redirect(parts._replace(query=urlencode(query)).geturl(), application)


@method_decorator(csrf_exempt, name="dispatch")
class ProgramView(OAuthLibMixin, View):
    """What can't be read is refused, and every answer given, in the way of OAuth (RFC 6749 section 5.2)."""

    @method_decorator(sensitive_post_parameters())
    def post(self, request: HttpRequest) -> HttpResponse:
        wait = throttling.TOKEN.hit(throttling.client_address(request))
        if wait is not None:
            return _too_many(wait)
        if not is_readable(request):
            return _refused("invalid_request", UNREADABLE)
        headers, body, status = self.answer(request)
        # Those headers are missing where an error comes late.
        always = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        return HttpResponse(body, status=status, headers=always | headers)

    def answer(self, request: HttpRequest) -> tuple[dict[str, str], str, int]:
        raise NotImplementedError


class TokenView(ProgramView):
    """Not the toolkit's own, which reads the new token back: it may be void by then."""

    def answer(self, request: HttpRequest) -> tuple[dict[str, str], str, int]:
        return self.create_token_response(request)[1:]


class RevokeTokenView(ProgramView):
    def answer(self, request: HttpRequest) -> tuple[dict[str, str], str, int]:
        return self.create_revocation_response(request)[1:]


class ProtectedResourceView(OAuthProtectedResourceMetadataView):
    def get_resource(self, request: HttpRequest) -> str:
        return resource(request)

    def get_authorization_servers(self, request: HttpRequest) -> list[str]:
        # Not by the toolkit's route, which a server of MCP alone does not have.
        return [issuer(request)]

    def get_scopes_supported(self) -> list[str]:
        return list(MCP_SCOPES)


@csrf_exempt
@require_POST
def register(request: HttpRequest) -> HttpResponse:
    """Registers whoever asks as a client (RFC 7591). Nobody is logged in here, and no token comes back: a client that
    wants to be another one registers again."""
    wait = throttling.REGISTER.hit(throttling.client_address(request))
    if wait is not None:
        return _too_many(wait)
    body = request.read(REGISTRATION_MAX_SIZE + 1)
    try:
        metadata = strict_json.decode(body) if len(body) <= REGISTRATION_MAX_SIZE else None
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        return _refused(
            "invalid_client_metadata", f"The body must be a JSON object of at most {REGISTRATION_MAX_SIZE} bytes."
        )
    try:
        application = application_from(metadata)
        application.full_clean()
    except ClientMetadataError as refusal:
        return _refused(refusal.error, refusal.description)
    except ValidationError:
        return _refused("invalid_redirect_uri", "One of redirect_uris is not well formed. Send absolute addresses.")
    secret = application.client_secret
    application.save()
    registered = {
        "client_id": application.client_id,
        "client_id_issued_at": int(application.created.timestamp()),
        "client_name": application.name,
        "redirect_uris": application.redirect_uris.split(),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": metadata.get("token_endpoint_auth_method", "client_secret_basic"),
    }
    if application.client_type == Application.CLIENT_CONFIDENTIAL:
        registered |= {"client_secret": secret, "client_secret_expires_at": 0}
    response = JsonResponse(registered, status=201)
    response["Cache-Control"] = "no-store"
    return response


def _refused(error: str, description: str) -> JsonResponse:
    return JsonResponse({"error": error, "error_description": description}, status=400)


def _too_many(wait: float) -> JsonResponse:
    # RFC 6585 section 4; OAuth has no word of its own for it that a client could be told here.
    headers = {"Retry-After": str(throttling.Throttled(wait).wait), "Cache-Control": "no-store"}
    refused = {"error": "temporarily_unavailable", "error_description": "Too many requests. Try again later."}
    return JsonResponse(refused, status=429, headers=headers)


def limited(log_in: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view in which people log in, with a page that tells an address that has tried too often to wait."""

    @wraps(log_in)
    def limiting(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        wait = throttling.LOGIN.hit(throttling.client_address(request)) if request.method == "POST" else None
        if wait is None:
            return log_in(request, *args, **kwargs)
        return _wait_page(
            request,
            throttling.Throttled(wait).wait,
            "Somebody has tried to log in from your network too often.",
            "Wait a minute, and try again.",
        )

    return limiting


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """Called by django-axes: the page for somebody who gave too many wrong passwords."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return _wait_page(
        request,
        seconds,
        "Too many wrong passwords were given for this name.",
        f"Wait {seconds // 60} minutes before you try again. Until then no password is taken for this name from here, "
        "not even the right one, and each try starts the wait anew.",
    )


def _wait_page(request: HttpRequest, seconds: int, why: str, what_to_do: str) -> HttpResponse:
    page = render(request, "oauth/too_many.html", {"why": why, "what_to_do": what_to_do}, status=429)
    page["Retry-After"] = str(seconds)
    return page


@method_decorator(limited, name="dispatch")
class LogInView(LoginView):
    template_name = "oauth/login.html"


@method_decorator(never_cache, name="dispatch")
class ConnectedAppsView(LoginRequiredMixin, TemplateView):
    """The apps that can act for a person, each with a button that ends it."""

    template_name = "oauth/connected_apps.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(apps=connected_apps(user=self.request.user), **kwargs)  # type: ignore[arg-type]

    def post(self, request: HttpRequest) -> HttpResponse:
        chosen = request.POST.get("application", "")
        # Whoever names another one is shown the same page: it says nothing of what there is.
        if chosen.isdecimal() and len(chosen) < 19:
            disconnect_app(user=request.user, application_id=int(chosen))  # type: ignore[arg-type]
        messages.success(request, "Disconnected. The app is refused from now on.")
        return redirect("connected-apps")
