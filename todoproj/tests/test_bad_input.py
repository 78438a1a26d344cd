"""What bad input gets, from the production server, by HTTP: who is refused, how, and that nothing is told by it."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant

from conftest import grant_act_for_any_user
from mcp_tools.tests.oauth.browser import PASSWORD, Browser, person
from mcp_tools.tests.oauth.documents import HOST, Authority, DocumentServer
from mcp_tools.tests.running import RunningServer
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.oauth.tests.clients import REDIRECT_URI
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.tests.distant import DistantClient
from todoproj.users import logins
from todoproj.users.models import Login, PersonalToken, User
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory
from todoproj.users.tests.passwords import TenthHasher
from todoproj.users.tests.test_accounts import forged
from todoproj.users.tests.test_issuers import ISSUER, JwksServer, claims, encoded, now, sign

pytestmark = pytest.mark.django_db(transaction=True)

LOGINS_A_MINUTE = 5
WRONG_PASSWORDS = 3
# From the network for benchmarks (RFC 2544), which is nobody's; each is given out once.
ADDRESSES = (f"198.{18 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in itertools.count())


@dataclass
class Site:
    """A server, and what it may learn from outside: documents of clients, and the keys of another issuer."""

    server: RunningServer
    documents: DocumentServer
    connections_log: Path

    @property
    def url(self) -> str:
        return self.server.site

    def statuses(self, token: str) -> set[int]:
        """What the tools and the REST API answer a bearer token with."""
        return {response.status_code for response in self.answers(f"Bearer {token}")}

    def answers(self, authorization: str | None) -> list[httpx.Response]:
        """What the tools and the REST API answer to an Authorization header, or to none."""
        headers = {} if authorization is None else {"Authorization": authorization}
        by_rest = self.server.http.get(f"{self.url}/api/tasks/", headers=headers)
        return [self.server.raw_call(authorization, "list_tasks"), by_rest]

    def post(self, path: str, body: Any = None, token: str | None = None, address: str = "") -> httpx.Response:
        """The answer to JSON from this address, else from one that nobody has called from."""
        headers = {"X-Forwarded-For": address or next(ADDRESSES)}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.server.http.post(f"{self.url}{path}", json=body, headers=headers)

    def log_in(self, username: str, password: str = PASSWORD, address: str = "") -> httpx.Response:
        return self.post("/api/auth/login/", {"username": username, "password": password}, address=address)

    def browser(self, user: User) -> Browser:
        browser = Browser(self.url, user)
        browser.http.headers["X-Forwarded-For"] = next(ADDRESSES)
        return browser

    def connections(self) -> list[str]:
        """Where the server has connected to until now, other than its database."""
        return self.connections_log.read_text().splitlines()


@dataclass
class Client(DistantClient):
    """A client of the site's."""

    at: Site | None = None

    def answer(self, user: User, button: str = "Connect", **changes: Any) -> dict[str, str]:
        """What the client is told after the person has answered on the consent page."""
        assert self.at is not None
        with self.at.browser(user) as browser:
            return told(browser.answer(self.authorize_url(**changes), button))

    def code(self, user: User, **changes: Any) -> str:
        return self.answer(user, **changes)["code"]


def told(location: str) -> dict[str, str]:
    """What a redirect to the client tells it."""
    assert location.startswith(REDIRECT_URI)
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


def is_invalid_grant(response: httpx.Response) -> bool:
    return (response.status_code, response.json()["error"]) == (400, "invalid_grant")


@pytest.fixture(scope="session")
def site(django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bad_input")
    authority = Authority(folder)
    connections_log = folder / "connections.log"
    with closing(JwksServer()) as jwks, DocumentServer(authority.context_for(HOST)) as documents:
        issuer = {"issuer": ISSUER, "jwks_url": jwks.url, "audience": "todo", "algorithms": ["ES256"]}
        with RunningServer(
            folder / "server.log",
            settings_module="todoproj.tests.watched_settings",
            CONNECTIONS_LOG=str(connections_log),
            SSL_CERT_FILE=str(authority.certificate),
            OUTSIDE_ISSUERS=json.dumps([issuer]),
            # So that each log-in can come from an address of its own.
            TRUST_X_FORWARDED_FOR="1",
            THROTTLE_LOGIN=str(LOGINS_A_MINUTE),
            LOGIN_FAILURES=str(WRONG_PASSWORDS),
        ) as server:
            # One that refuses before it has read the body closes the connection behind its answer, maybe while the
            # next request is on its way.
            server.http.headers["Connection"] = "close"
            yield Site(server, documents, connections_log)


@pytest.fixture
def ann(db: None) -> User:
    return person(id="ann", username="ann", email="ann@example.com")


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory.create(id="bob", username="bob")


@pytest.fixture
def app(site: Site) -> Client:
    return Client(ApplicationFactory.create(name="Claude"), site=site.url, at=site)


class TestToken:
    """At the tools and at the REST API."""

    def test_that_is_good_is_taken(self, site: Site, app: Client, ann: User) -> None:
        _, personal = issue_token(user_id="ann")
        for token in [personal, app.connect(ann)["access_token"], site.log_in("ann").json()["access"], sign(claims())]:
            assert site.statuses(token) == {200}

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Bearer",
            "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode(),
            "Bearer garbage",
            "Bearer todo_garbage",
            "Bearer todoa_garbage",
            "Bearer garbage.garbage.garbage",
        ],
    )
    def test_that_is_none(self, site: Site, ann: User, authorization: str | None) -> None:
        by_tools, by_rest = site.answers(authorization)

        assert (by_tools.status_code, by_rest.status_code) == (401, 401)
        challenge = by_tools.headers["WWW-Authenticate"]
        assert f'resource_metadata="{site.url}/.well-known/oauth-protected-resource/mcp"' in challenge
        # RFC 6750 section 3.1: only where a token was sent.
        assert ('error="invalid_token"' in challenge) is ("garbage" in (authorization or ""))
        assert by_rest.headers["WWW-Authenticate"] == "Bearer"

    def test_that_has_expired(self, site: Site, app: Client, ann: User) -> None:
        _, personal = issue_token(user_id="ann")
        granted = app.connect(ann)["access_token"]

        PersonalToken.objects.update(expires_at=timezone.now())
        AccessToken.objects.update(expires=timezone.now())

        past = timezone.now() - dt.timedelta(seconds=1)
        for token in [personal, granted, forged(login_of(ann), exp=past), sign(claims(exp=now() - 3600))]:
            assert site.statuses(token) == {401}

    def test_that_was_revoked(self, site: Site, app: Client, ann: User) -> None:
        _, personal = issue_token(user_id="ann")
        granted = app.connect(ann)["access_token"]
        pair = site.log_in("ann").json()

        PersonalToken.objects.all().revoke()
        form = {"token": granted, "client_id": app.application.client_id}
        assert site.server.http.post(f"{site.url}/o/revoke_token/", data=form).status_code == 200
        assert site.post("/api/auth/logout/", {"refresh": pair["refresh"]}).status_code == 204

        for token in [personal, granted, pair["access"]]:
            assert site.statuses(token) == {401}

    def test_that_is_a_refresh_token(self, site: Site, app: Client, ann: User) -> None:
        for token in [app.connect(ann)["refresh_token"], site.log_in("ann").json()["refresh"]]:
            assert site.statuses(token) == {401}

    def test_that_is_for_another_audience(self, site: Site, app: Client, ann: User) -> None:
        token = app.connect(ann)["access_token"]
        assert site.statuses(token) == {200}

        AccessToken.objects.update(resource=["https://elsewhere.example.com/mcp"])

        assert site.statuses(token) == {401}

    def test_that_is_for_the_same_server_by_another_name(self, site: Site, app: Client, ann: User) -> None:
        headers = {"Authorization": f"Bearer {app.connect(ann)['access_token']}", "Host": "localhost"}

        assert site.server.http.get(f"{site.url}/api/tasks/", headers=headers).status_code == 401

    def test_that_is_in_the_query_or_in_a_form(self, site: Site, ann: User) -> None:
        _, token = issue_token(user_id="ann")
        http, tools, rest = site.server.http, f"{site.url}/mcp", f"{site.url}/api/tasks/"
        ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        by_header = {"Authorization": f"Bearer {token}"}
        assert http.post(tools, json=ask, headers=by_header).status_code == 200

        for answer in [
            http.post(tools, json=ask, params={"access_token": token}),
            http.post(tools, data={"access_token": token}),
            http.get(rest, params={"access_token": token}),
            http.post(rest, data={"access_token": token, "title": "x"}),
        ]:
            assert answer.status_code == 401
        assert not Task.objects.exists()


class TestPerson:
    def test_who_was_deactivated_has_no_access(self, site: Site, app: Client, ann: User) -> None:
        _, personal = issue_token(user_id="ann")
        granted = app.connect(ann)
        pair = site.log_in("ann").json()

        User.objects.update(is_active=False)

        for token in [personal, granted["access_token"], pair["access"], sign(claims())]:
            assert site.statuses(token) == {401}
        assert is_invalid_grant(app.refresh(granted["refresh_token"]))
        assert site.post("/api/auth/refresh/", {"refresh": pair["refresh"]}).status_code == 400

    def test_who_has_another_password_cuts_off_what_was_issued(self, site: Site, app: Client, ann: User) -> None:
        _, personal = issue_token(user_id="ann")
        granted = app.connect(ann)
        pair = site.log_in("ann").json()
        signed = sign(claims(iat=now() - 60))

        change = {"password": PASSWORD, "new_password": "staple of another kind"}
        changed = site.post("/api/auth/password/", change, token=pair["access"])

        assert site.statuses(changed.json()["access"]) == {200}
        for token in [personal, granted["access_token"], pair["access"], signed]:
            assert site.statuses(token) == {401}
        assert is_invalid_grant(app.refresh(granted["refresh_token"]))
        assert site.post("/api/auth/refresh/", {"refresh": pair["refresh"]}).status_code == 400


class TestAuthorizationRequest:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            # Which means plain (RFC 7636 section 4.3).
            ({"code_challenge_method": None}, "invalid_request"),
            ({"scope": "tasks:read tasks:all"}, "invalid_scope"),
            ({"resource": "https://elsewhere.example.com/mcp"}, "invalid_target"),
        ],
        ids=["no PKCE", "plain", "no method", "unknown scope", "foreign resource"],
    )
    def test_is_refused_to_the_client(
        self, site: Site, app: Client, ann: User, changes: dict[str, Any], error: str
    ) -> None:
        with site.browser(ann) as browser:
            back = browser.log_in(browser.open(app.authorize_url(**changes)))

        assert back.status_code == 302
        answer = told(back.headers["Location"])
        assert (answer["error"], answer["iss"], answer["state"]) == (error, site.url, "xyz")
        assert not Grant.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "unknown"},
            {"redirect_uri": "https://evil.example.com/callback"},
            {"redirect_uri": f"{REDIRECT_URI}/../elsewhere"},
            {"redirect_uri": "javascript:alert(1)"},
        ],
    )
    def test_is_refused_on_a_page(self, site: Site, app: Client, ann: User, changes: dict[str, Any]) -> None:
        with site.browser(ann) as browser:
            page = browser.log_in(browser.open(app.authorize_url(**changes)))

        assert page.status_code == 400
        assert "The app can't be connected" in page.text
        assert "Location" not in page.headers
        assert not Grant.objects.exists()

    @pytest.mark.parametrize("token", [{}, {"csrfmiddlewaretoken": "x" * 64}], ids=["no token", "another token"])
    def test_is_not_agreed_to_by_a_forged_form(self, site: Site, app: Client, ann: User, token: dict[str, str]) -> None:
        with site.browser(ann) as browser:
            page = browser.log_in(browser.open(app.authorize_url()))
            assert page.status_code == 200
            forged_form = browser.http.post(page.url, data={"allow": "yes"} | token)

        assert forged_form.status_code == 403
        assert not Grant.objects.exists()


class TestTokenRequest:
    def test_with_the_wrong_verifier(self, app: Client, ann: User) -> None:
        assert is_invalid_grant(app.redeem(app.code(ann), code_verifier=secrets.token_urlsafe(32)))

    def test_with_the_code_of_another_client(self, site: Site, app: Client, ann: User) -> None:
        other = Client(ApplicationFactory.create(), site=site.url, at=site)

        assert is_invalid_grant(other.redeem(app.code(ann), code_verifier=app.verifier))

    def test_for_a_foreign_resource(self, app: Client, ann: User) -> None:
        refused = app.redeem(app.code(ann), resource="https://elsewhere.example.com/mcp")

        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")

    def test_with_a_code_that_was_used_voids_its_tokens(self, site: Site, app: Client, ann: User) -> None:
        code = app.code(ann)
        tokens = app.redeem(code).json()
        assert site.statuses(tokens["access_token"]) == {200}

        assert is_invalid_grant(app.redeem(code))

        assert site.statuses(tokens["access_token"]) == {401}
        assert is_invalid_grant(app.refresh(tokens["refresh_token"]))

    def test_with_a_refresh_token_that_was_used_voids_the_family(self, site: Site, app: Client, ann: User) -> None:
        first = app.connect(ann)
        kept = Client(ApplicationFactory.create(), site=site.url, at=site).connect(ann)
        second = app.refresh(first["refresh_token"]).json()
        assert site.statuses(second["access_token"]) == {200}

        assert is_invalid_grant(app.refresh(first["refresh_token"]))

        assert site.statuses(first["access_token"]) == site.statuses(second["access_token"]) == {401}
        assert is_invalid_grant(app.refresh(second["refresh_token"]))
        assert site.statuses(kept["access_token"]) == {200}

    def test_with_a_refresh_token_of_a_login_that_was_used_ends_the_login(self, site: Site, ann: User) -> None:
        first = site.log_in("ann").json()
        second = site.post("/api/auth/refresh/", {"refresh": first["refresh"]}).json()
        assert site.statuses(second["access"]) == {200}

        assert site.post("/api/auth/refresh/", {"refresh": first["refresh"]}).status_code == 400

        assert site.statuses(first["access"]) == site.statuses(second["access"]) == {401}
        assert site.post("/api/auth/refresh/", {"refresh": second["refresh"]}).status_code == 400


class TestRegistration:
    @pytest.mark.parametrize(
        ("metadata", "error"),
        [
            ({"grant_types": ["password"]}, "invalid_client_metadata"),
            ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
            ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
            ({"grant_types": ["authorization_code", "client_credentials"]}, "invalid_client_metadata"),
            ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["http://app.example.com/callback"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["http://127.0.0.1.example.com/callback"]}, "invalid_redirect_uri"),
            ({"client_name": "x" * 101}, "invalid_client_metadata"),
            ({"client_name": "x" * 1_000_000}, "invalid_client_metadata"),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_is_refused(self, site: Site, metadata: dict[str, Any], error: str) -> None:
        good = {"client_name": "App", "redirect_uris": [REDIRECT_URI]}

        refused = site.post("/o/register/", good | metadata)

        assert (refused.status_code, refused.json()["error"]) == (400, error)
        assert not Application.objects.exists()

    @pytest.mark.parametrize("body", [b"", b"client_name=App", b'{"client_name": "App"', b"[]", b"\xff"])
    def test_that_is_no_json_object_is_refused(self, site: Site, body: bytes) -> None:
        refused = site.server.http.post(
            f"{site.url}/o/register/", content=body, headers={"Content-Type": "application/json"}
        )

        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
        assert not Application.objects.exists()


class TestMetadataDocument:
    """Of a client whose id is an address."""

    @pytest.fixture
    def page_for(self, site: Site, ann: User) -> Iterator[Callable[[str], httpx.Response]]:
        """The page on which somebody lands who is to connect the client with this id."""
        with site.browser(ann) as browser:

            def page_for(client_id: str) -> httpx.Response:
                return browser.log_in(
                    browser.open(Client(Application(client_id=client_id), site=site.url).authorize_url())
                )

            yield page_for

    def test_that_is_right_is_fetched(self, site: Site, page_for: Callable[[str], httpx.Response]) -> None:
        client_id = site.documents.publish("/right.json", client_name="Claude", redirect_uris=[REDIRECT_URI])

        page = page_for(client_id)

        assert page.status_code == 200
        assert "Claude" in page.text
        # So it is seen where the server connects to.
        assert str(("127.0.0.1", site.documents.server_port)) in site.connections()

    def test_that_has_another_id_than_its_address_is_refused(
        self, site: Site, page_for: Callable[[str], httpx.Response]
    ) -> None:
        about = {"client_name": "Claude", "redirect_uris": [REDIRECT_URI]}
        client_id = site.documents.publish("/wrong.json", **about)
        site.documents.documents["/wrong.json"]["client_id"] = "https://claude.example.com/client.json"

        page = page_for(client_id)

        assert site.documents.asked[-1] == "/wrong.json"
        assert page.status_code == 400
        assert "The app can't be connected" in page.text
        assert not Application.objects.exists()

    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "[fd00::1]",
            "169.254.169.254",
            "[fe80::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:169.254.169.254]",
        ],
    )
    def test_in_a_network_of_our_own_is_not_fetched(
        self, site: Site, page_for: Callable[[str], httpx.Response], host: str
    ) -> None:
        before = site.connections()

        page = page_for(f"https://{host}:{site.documents.server_port}/client.json")

        assert page.status_code == 400
        assert "The app can't be connected" in page.text
        assert site.connections() == before
        assert not Application.objects.exists()


def unsigned(payload: dict[str, Any]) -> str:
    header = {"alg": "none", "typ": "JWT", "kid": "ES256-0"}
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(payload).encode())}."


class TestJsonWebToken:
    """One that this server would have signed, and one of an outside issuer."""

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            ({"algorithm": "none", "key": None}, lambda: unsigned(claims())),
            ({"key": b"k" * 32}, lambda: sign(claims(), which=1, kid="ES256-0")),
            ({"aud": "todoproj/refresh"}, lambda: sign(claims(aud="another"))),
            ({"aud": ...}, lambda: sign(claims(aud=None))),
            ({"iss": "another"}, lambda: sign(claims(iss="https://another.example.com"))),
            ({"iss": ...}, lambda: sign(claims(iss=None))),
            ({"exp": ...}, lambda: sign(claims(exp=None))),
            ({"nbf": now() + 3600}, lambda: sign(claims(nbf=now() + 3600))),
            ({"sub": 5}, lambda: sign(claims(sub=5))),
            ({"sub": ...}, lambda: sign(claims(sub=None))),
        ],
        ids=[
            "alg none",
            "wrong key",
            "wrong aud",
            "no aud",
            "wrong iss",
            "no iss",
            "no exp",
            "nbf in the future",
            "int sub",
            "no sub",
        ],
    )
    def test_with_a_fault_is_refused(
        self, site: Site, ann: User, ours: dict[str, Any], theirs: Callable[[], str]
    ) -> None:
        login = login_of(ann)
        assert site.statuses(forged(login)) == site.statuses(sign(claims())) == {200}

        assert site.statuses(forged(login, **ours)) == {401}
        assert site.statuses(theirs()) == {401}


def login_of(user: User) -> Login:
    """A login as it is kept, without the tokens that come with it."""
    logins.log_in(user=user)
    return Login.objects.get(user=user)


def seconds(kinds: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """How long each kind of call took. Each is made once a round, in an order that chance decides: whatever else the
    machine does meets all of them alike."""
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in random.sample(list(kinds), len(kinds)):
            begun = time.perf_counter()
            kinds[kind]()
            taken[kind].append(time.perf_counter() - begun)
    return taken


def longer(these: list[float], those: list[float]) -> float:
    """How probable it is that one of these times is longer than one of those (Mann and Whitney's U, by its largest
    value): about a half, where nothing but chance tells them apart."""
    return statistics.fmean((this > that) + (this == that) / 2 for this in these for that in those)


class TestLogin:
    @pytest.fixture
    def carl(self, db: None) -> User:
        """Somebody deactivated, who knows PASSWORD."""
        carl = person(id="carl", username="carl", email="carl@example.com")
        carl.is_active = False
        carl.save()
        return carl

    def test_is_refused_in_the_same_words(self, site: Site, ann: User, carl: User) -> None:
        wrong = site.log_in("ann@example.com", "wrong")
        unknown = site.log_in("nobody@example.com")
        inactive = site.log_in("carl@example.com")

        for refused in [wrong, unknown, inactive]:
            assert refused.status_code == 401
            assert refused.content == wrong.content
            differ = {"date", "x-request-id"}
            assert {name: value for name, value in refused.headers.items() if name not in differ} == {
                name: value for name, value in wrong.headers.items() if name not in differ
            }

    def test_is_refused_in_the_same_time(self, site: Site, ann: User, carl: User) -> None:
        """The time that it takes to hash a password is most of it; whoever is not worth that would be found out."""
        # As the server would have hashed it, so that it does nothing to it.
        User.objects.update(password=TenthHasher().encode(PASSWORD, TenthHasher().salt()))
        kinds = {
            "wrong": lambda: site.log_in("ann@example.com", "wrong"),
            "unknown": lambda: site.log_in("dan@example.com"),
            "inactive": lambda: site.log_in("carl@example.com"),
        }
        seconds(kinds, 2)

        taken = seconds(kinds, 25)

        for one, other in itertools.combinations(taken, 2):
            ratio = statistics.median(taken[one]) / statistics.median(taken[other])
            # By chance alone, the first is missed less often than once in a hundred thousand runs; and then the second
            # would have to be missed, too.
            assert 0.1 < longer(taken[one], taken[other]) < 0.9 or 0.8 < ratio < 1.25, (one, other, ratio)

    def test_is_throttled_by_address(self, site: Site) -> None:
        address = next(ADDRESSES)

        # A new minute may begin meanwhile.
        answers = [site.log_in(f"nobody{n}", address=address) for n in range(2 * LOGINS_A_MINUTE + 1)]

        assert [answer.status_code for answer in answers[:LOGINS_A_MINUTE]] == [401] * LOGINS_A_MINUTE
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
        assert site.log_in("nobody").status_code == 401

    @pytest.mark.parametrize("name", ["ann@example.com", "nobody@example.com"])
    def test_is_closed_after_too_many_wrong_passwords(self, site: Site, ann: User, name: str) -> None:
        address = next(ADDRESSES)

        answers = [site.log_in(name, "wrong", address) for _ in range(WRONG_PASSWORDS)]

        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert int(answers[-1].headers["Retry-After"]) == 900
        # Not even for the right one, but from elsewhere.
        assert site.log_in(name, address=address).status_code == 429
        assert site.log_in(name).status_code == (200 if name == ann.email else 401)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "add_task": {"title": "x"},
    "list_tasks": {},
    "complete_task": {"task_id": 1},
    "delete_task": {"task_id": 1},
    "update_task": {"task_id": 1, "title": "x"},
}


class TestUserId:
    @pytest.fixture
    def anns(self, ann: User) -> str:
        """Ann's token."""
        return issue_token(user_id="ann")[1]

    @pytest.mark.parametrize("tool", ARGUMENTS)
    def test_of_anybody_else_is_not_found(self, site: Site, anns: str, bob: User, tool: str) -> None:
        UserFactory.create(id="dan", is_active=False)
        TaskFactory.create(user=bob)

        answers = [
            site.server.raw_call(f"Bearer {anns}", tool, user_id=user_id, **ARGUMENTS[tool])
            # Another's, unknown, deactivated, in another case, with a space, empty, and with NUL.
            for user_id in ["bob", "nobody", "dan", "Ann", "BOB", "ann ", " ann", "", "\0", "ann\0"]
        ]

        assert {answer.status_code for answer in answers} == {200}
        [body] = {answer.content for answer in answers}
        reply = json.loads(body)["result"]["structuredContent"]
        assert (reply["status"], reply["data"]["error_code"], reply["data"]["problem"]) == ("error", 404, "not_found")
        assert Task.objects.count() == 1

    def test_of_another_is_not_found_in_the_same_time_as_an_unknown_one(self, site: Site, anns: str, bob: User) -> None:
        TaskFactory.create_batch(20, user=bob)
        kinds = {
            "another's": lambda: site.server.raw_call(f"Bearer {anns}", "list_tasks", user_id="bob"),
            "unknown": lambda: site.server.raw_call(f"Bearer {anns}", "list_tasks", user_id="bop"),
        }
        seconds(kinds, 20)

        taken = seconds(kinds, 300)

        # By chance alone, it is further from a half less often than once in a million runs.
        assert 0.38 < longer(taken["another's"], taken["unknown"]) < 0.62

    @pytest.mark.parametrize("user_id", [1, ["ann"], {"id": "ann"}, True], ids=["int", "list", "object", "bool"])
    def test_that_is_no_text_is_a_wrong_argument(self, site: Site, anns: str, user_id: Any) -> None:
        reply = site.server.call(anns, "list_tasks", user_id=user_id)

        assert (reply["status"], reply["data"]["error_code"]) == ("error", 400)
        assert reply["data"]["field"] == "user_id"

    @pytest.mark.parametrize("given", [{}, {"user_id": None}, {"user_id": "ann"}], ids=["left out", "null", "own"])
    def test_left_out_is_the_token_s_person(
        self, site: Site, anns: str, ann: User, bob: User, given: dict[str, Any]
    ) -> None:
        mine, _ = TaskFactory.create(user=ann), TaskFactory.create(user=bob)

        reply = site.server.call(anns, "list_tasks", **given)

        assert [task["task_id"] for task in reply["data"]["tasks"]] == [mine.pk]

    @pytest.mark.parametrize("given", [{}, {"user_id": None}], ids=["left out", "null"])
    def test_left_out_by_a_service_account_is_a_wrong_argument(
        self, site: Site, ann: User, given: dict[str, Any]
    ) -> None:
        backend = UserFactory.create(id="backend")
        grant_act_for_any_user(backend)
        _, token = issue_token(user_id="backend")
        assert site.server.call(token, "list_tasks", user_id="ann")["status"] == "success"

        reply = site.server.call(token, "list_tasks", **given)

        assert (reply["status"], reply["data"]["error_code"]) == ("error", 400)
        assert (reply["data"]["field"], reply["data"]["problem"]) == ("user_id", "missing")
