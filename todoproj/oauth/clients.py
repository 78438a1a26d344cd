"""Which clients may introduce themselves, by registration (RFC 7591) or by a document at their client id."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from oauth2_provider.cimd import CIMDError, SafeMetadataFetcher
from oauth2_provider.models import Application
from oauth2_provider.settings import oauth2_settings
from oauthlib.common import Request

from todoproj.oauth.server import LOGGED_IN

NAME_MAX_LENGTH = 100
REDIRECT_URIS_MAX = 10
REDIRECT_URI_MAX_LENGTH = 1000
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
GRANT_TYPES = ["authorization_code", "refresh_token"]


class ClientMetadataError(Exception):
    """A registration that is refused: the error code of RFC 7591 section 3.2.2, and how to put it right."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def is_redirect_uri(uri: object) -> bool:
    """Whether people may be sent there: by HTTPS, to their own machine, or to one of the editors that are known."""
    if not isinstance(uri, str) or len(uri) > REDIRECT_URI_MAX_LENGTH:
        return False
    # A URI is ASCII without spaces (RFC 3986), and one of people has no user, and nothing that a server would not see.
    if not (uri.isascii() and uri.isprintable()) or any(character in uri for character in ' #@\\"<>'):
        return False
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "http":
        return parts.hostname in LOOPBACK
    return parts.scheme in oauth2_settings.ALLOWED_REDIRECT_URI_SCHEMES and bool(parts.hostname)


def is_name(name: object) -> bool:
    """Whether people can read it: no control character, and none that turns the text around."""
    return isinstance(name, str) and len(name) <= NAME_MAX_LENGTH and name.isprintable()


def application_from(metadata: dict[str, Any]) -> Application:
    """The client, not saved yet, that a registration asks for. Raises ClientMetadataError.

    Never one that acts without a person: only staff make those.
    """
    uris = metadata.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= REDIRECT_URIS_MAX or not all(map(is_redirect_uri, uris)):
        raise ClientMetadataError(
            "invalid_redirect_uri",
            f"redirect_uris must be a list of 1 to {REDIRECT_URIS_MAX} addresses with https, with http on 127.0.0.1, "
            "[::1] or localhost, or with cursor, vscode or vscode-insiders, and without fragment or user.",
        )
    name = metadata.get("client_name", "")
    if not is_name(name):
        raise _invalid(f"client_name must be a text of at most {NAME_MAX_LENGTH} characters that can be printed.")
    grant_types = metadata.get("grant_types", ["authorization_code"])
    if not _is_choice(grant_types, GRANT_TYPES) or "authorization_code" not in grant_types:
        raise _invalid("grant_types must be authorization_code, with or without refresh_token.")
    if not _is_choice(metadata.get("response_types", ["code"]), ["code"]):
        raise _invalid("response_types must be code.")
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    methods = oauth2_settings.OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED
    if method not in methods:
        raise _invalid(f"token_endpoint_auth_method must be one of {', '.join(methods)}.")
    return Application(
        name=name,
        redirect_uris=" ".join(uris),
        client_type=Application.CLIENT_PUBLIC if method == "none" else Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        registration_source=Application.RegistrationSource.DCR,
    )


def _is_choice(values: object, allowed: list[str]) -> bool:
    return isinstance(values, list) and bool(values) and all(value in allowed for value in values)


def _invalid(description: str) -> ClientMetadataError:
    return ClientMetadataError("invalid_client_metadata", description)


class SomebodyIsLoggedIn:
    """A document is fetched for a person who is logged in: else anybody could make this server ask anywhere."""

    def has_permission(self, request: Request, client_id: str) -> bool:
        return bool(request.headers[LOGGED_IN])


class DocumentFetcher(SafeMetadataFetcher):
    """Fetches what a client says about itself at its client id, from public addresses only."""

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        document, max_age = super().fetch(client_id)
        return narrowed(document), max_age


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """As much of the document as is served here: it is written for every server, and may offer what this one lacks.

    Raises CIMDError if nothing that can work is left.
    """
    grant_types = document.get("grant_types", GRANT_TYPES)
    if not isinstance(grant_types, list) or "authorization_code" not in grant_types:
        raise CIMDError("the document has no grant type that is served here")
    uris = document.get("redirect_uris")
    usable = [uri for uri in uris if is_redirect_uri(uri)] if isinstance(uris, list) else []
    name = document.get("client_name", "")
    return document | {
        "grant_types": ["authorization_code"],
        "redirect_uris": usable[:REDIRECT_URIS_MAX],
        "client_name": name if is_name(name) else "",
    }
