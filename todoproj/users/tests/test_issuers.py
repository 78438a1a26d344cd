"""Tokens of outside issuers, whose keys a real server publishes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.exceptions import ImproperlyConfigured
from jwt.algorithms import get_default_algorithms

from todoproj.users import jwks
from todoproj.users.issuers import ALGORITHMS, Claims, InvalidToken, check_settings, verify
from todoproj.users.jwks import FRESH, LONGEST_USE, RETRY_INTERVAL, KeySet

ISSUER = "https://login.example.com"
CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@cache
def private_key(algorithm: str, which: int = 0) -> Any:
    """A key to sign with, the same whenever it is asked for."""
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else private_key("RS256", which)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[algorithm])


def public_jwk(algorithm: str, which: int = 0, **members: Any) -> dict[str, Any]:
    public = private_key(algorithm, which).public_key()
    jwk: dict[str, Any] = dict(get_default_algorithms()[algorithm].to_jwk(public, as_dict=True))
    return jwk | {"kid": f"{algorithm}-{which}"} | members


class JwksServer:
    """Publishes keys at `url`, the way it is told to."""

    def __init__(self) -> None:
        server = self
        self.asked: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        # While it is not set, whoever asks is kept waiting.
        self.answers = threading.Event()
        self.answers.set()
        self.publish(public_jwk("ES256"), public_jwk("EdDSA"))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.answers.wait()
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def publish(self, *keys: Any) -> None:
        self.body = json.dumps({"keys": keys}).encode()

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def server() -> Iterator[JwksServer]:
    running = JwksServer()
    yield running
    running.close()


@pytest.fixture
def configure(settings: Any, server: JwksServer) -> Callable[..., None]:
    """Trust the server's issuer, with other settings of it where they are given."""

    def make(**changes: Any) -> None:
        issuer = {"issuer": ISSUER, "jwks_url": server.url, "audience": "todo", "algorithms": ["ES256", "EdDSA"]}
        settings.OUTSIDE_ISSUERS = json.dumps([issuer | changes])

    make()
    return make


def now() -> int:
    return int(time.time())


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, but for the changes; None leaves one out."""
    good = {"iss": ISSUER, "sub": "ann", "aud": "todo", "iat": now(), "exp": now() + 600} | changes
    return {name: value for name, value in good.items() if value is not None}


def sign(payload: Any, algorithm: str = "ES256", which: int = 0, **headers: Any) -> str:
    """A token of whatever payload and headers, for jwt.encode() refuses some that others send."""
    header = {"alg": algorithm, "typ": "JWT", "kid": f"{algorithm}-{which}"} | headers
    header = {name: value for name, value in header.items() if value is not None}
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = ".".join(map(encoded, [json.dumps(header).encode(), body]))
    signature = get_default_algorithms()[algorithm].sign(signed.encode(), private_key(algorithm, which))
    return f"{signed}.{encoded(signature)}"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def refused(token: str) -> bool:
    with pytest.raises(InvalidToken) as reason:
        verify(token)
    # The token is a secret, and the reason gets logged.
    return not token or token[:20] not in str(reason.value)


@pytest.mark.usefixtures("configure")
class TestGoodTokens:
    def test_what_a_token_says(self) -> None:
        at = now() - 5
        assert verify(sign(claims(iat=at))) == Claims(
            issuer=ISSUER,
            subject="ann",
            issued_at=datetime.fromtimestamp(at, UTC),
            scopes=frozenset({"tasks:read", "tasks:write", "chats:read", "chats:write"}),
            create_user=False,
        )

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    @pytest.mark.parametrize("named", [True, False])
    def test_every_algorithm(
        self, configure: Callable[..., None], server: JwksServer, algorithm: str, named: bool
    ) -> None:
        configure(algorithms=[algorithm])
        jwk = public_jwk(algorithm)
        jwk.pop("alg", None)
        server.publish(jwk | ({"alg": algorithm} if named else {}))
        assert verify(sign(claims(), algorithm)).subject == "ann"
        assert refused(sign(claims(), algorithm, 1, kid=f"{algorithm}-0"))

    def test_whether_people_become_people_here(self, configure: Callable[..., None]) -> None:
        configure(create_users=True)
        assert verify(sign(claims())).create_user

    @pytest.mark.parametrize("audience", ["todo", ["todo"], ["other", "todo"]])
    @pytest.mark.parametrize("ours", ["todo", ["todo"], ["todo", "https://todo.example.com/mcp"]])
    def test_audiences(self, configure: Callable[..., None], audience: Any, ours: Any) -> None:
        configure(audience=ours)
        assert verify(sign(claims(aud=audience))).subject == "ann"

    @pytest.mark.parametrize("subject", ["a", "x" * 255, "é 🥛", "auth0|5f7c", "https://x/y"])
    def test_subjects(self, subject: str) -> None:
        assert verify(sign(claims(sub=subject))).subject == subject

    @pytest.mark.parametrize(
        "changes", [{"exp": -20}, {"nbf": 20}, {"iat": 20}, {"exp": 60.5, "nbf": -0.5, "iat": -9.5}]
    )
    def test_clocks_may_differ_a_little(self, changes: dict[str, float]) -> None:
        assert verify(sign(claims(**{name: now() + value for name, value in changes.items()}))).subject == "ann"

    @pytest.mark.parametrize(
        ("given", "scopes"),
        [
            ({}, {"tasks:read", "tasks:write", "chats:read", "chats:write"}),
            ({"scope": "tasks:read"}, {"tasks:read"}),
            ({"scope": "openid tasks:read  tasks:write profile"}, {"tasks:read", "tasks:write"}),
            ({"scope": ["tasks:write", "openid"]}, {"tasks:write"}),
            ({"scp": "tasks:read"}, {"tasks:read"}),
            ({"scp": ["tasks:read"]}, {"tasks:read"}),
            ({"scope": "tasks:read", "scp": ["tasks:write"]}, {"tasks:read"}),
            ({"scope": "openid"}, set()),
            ({"scope": "TASKS:READ tasks:reader"}, set()),
            ({"scope": ""}, set()),
            ({"scp": []}, set()),
        ],
    )
    def test_scopes(self, given: dict[str, Any], scopes: set[str]) -> None:
        assert verify(sign(claims(**given))).scopes == scopes

    def test_the_scopes_of_a_token_that_says_nothing_of_them(self, configure: Callable[..., None]) -> None:
        configure(scopes=["tasks:read"])
        assert verify(sign(claims())).scopes == {"tasks:read"}

    def test_several_issuers(self, settings: Any, server: JwksServer) -> None:
        issuer = {"jwks_url": server.url, "audience": "todo", "algorithms": ["ES256"]}
        settings.OUTSIDE_ISSUERS = json.dumps([issuer | {"issuer": name} for name in ["https://a", "https://b"]])
        assert verify(sign(claims(iss="https://b"))).issuer == "https://b"
        assert refused(sign(claims(iss="https://c")))


@pytest.mark.usefixtures("configure")
class TestBadTokens:
    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": None},
            {"aud": "other"},
            {"aud": "TODO"},
            {"aud": ""},
            {"aud": []},
            {"aud": ["other"]},
            {"aud": ["todo", 1]},
            {"aud": {"todo": 1}},
            {"iss": None},
            {"iss": "https://evil.example.com"},
            {"iss": f"{ISSUER}/"},
            {"iss": [ISSUER]},
            {"iss": {}},
            {"exp": None},
            {"exp": lambda: now() - 31},
            {"exp": 0},
            {"exp": "9999999999"},
            {"exp": True},
            {"exp": [9999999999]},
            {"exp": float("inf")},
            {"exp": float("nan")},
            {"nbf": lambda: now() + 60},
            {"nbf": "0"},
            {"nbf": {}},
            {"iat": None},
            {"iat": lambda: now() + 60},
            {"iat": "0"},
            {"iat": -(10**30)},
            {"iat": -1e300},
            {"sub": None},
            {"sub": ""},
            {"sub": 7},
            {"sub": ["ann"]},
            {"sub": {"id": "ann"}},
            {"sub": "x" * 256},
            {"sub": "a\0b"},
            {"sub": "\ud800"},
            {"scope": 1},
            {"scope": {"tasks:read": True}},
            {"scope": [["tasks:read"]]},
            {"scp": [1]},
            {"scope": None, "scp": True},
        ],
        ids=lambda changes: ", ".join(
            f"{name}: {'later' if callable(value) else value!r}" for name, value in changes.items()
        ),
    )
    def test_claims(self, changes: dict[str, Any]) -> None:
        changes = {name: value() if callable(value) else value for name, value in changes.items()}
        assert refused(sign(claims(**changes)))

    @pytest.mark.parametrize(
        "headers",
        [
            {"alg": "none"},
            {"alg": "None"},
            {"alg": "ES384"},
            {"alg": "HS256"},
            {"alg": None},
            {"alg": ["ES256"]},
            {"alg": 1},
            {"kid": "unknown"},
            {"kid": None},
            {"kid": "EdDSA-0"},
            {"kid": ["ES256-0"]},
            {"kid": 7},
            {"kid": "../../etc/passwd"},
            {"crit": ["exp"], "exp": 1},
            {"crit": ["b64"], "b64": True},
            {"crit": ["b64"], "b64": False},
            {"crit": []},
            {"b64": False},
        ],
        ids=repr,
    )
    def test_headers(self, headers: dict[str, Any]) -> None:
        assert refused(sign(claims(), **headers))

    def test_an_unsigned_token(self) -> None:
        header = encoded(json.dumps({"alg": "none", "kid": "ES256-0"}).encode())
        assert refused(f"{header}.{encoded(json.dumps(claims()).encode())}.")
        assert refused(jwt.encode(claims(), "", "none"))

    def test_a_public_key_as_a_shared_secret(self) -> None:
        public = private_key("ES256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        algorithm = get_default_algorithms()["HS256"]
        header = encoded(json.dumps({"alg": "HS256", "kid": "ES256-0"}).encode())
        signed = f"{header}.{encoded(json.dumps(claims()).encode())}"
        assert refused(f"{signed}.{encoded(algorithm.sign(signed.encode(), public))}")

    def test_another_key(self) -> None:
        assert refused(sign(claims(), "ES256", 1, kid="ES256-0"))

    def test_a_changed_payload(self) -> None:
        header, _, signature = sign(claims()).split(".")
        assert refused(f"{header}.{encoded(json.dumps(claims(sub='bob')).encode())}.{signature}")

    def test_keys_that_the_token_brings_along(self, server: JwksServer) -> None:
        forged = public_jwk("ES256", 1)
        own_place = server.url.replace("/jwks", "/forged")
        brought: dict[str, Any] = {"jwk": forged, "jku": own_place, "x5u": own_place, "x5c": ["AAAA"]}
        for name, value in brought.items():
            assert refused(sign(claims(), "ES256", 1, **{name: value}))
            assert refused(sign(claims(), "ES256", 1, kid="ES256-0", **{name: value}))
            assert verify(sign(claims(), **{name: value})).subject == "ann"
        assert set(server.asked) == {"/jwks"}

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c",
            "a.b.c.d.e",
            "todo_abc",
            "é.é.é",
            "\ud800",
            "\0",
            "!!!!.!!!!.!!!!",
            "x" * 100_000,
            "." * 8_000,
            encoded(b"[" * 5_000) + ".e30.e30",
            encoded(b"\xff\xfe") + ".e30.e30",
            encoded(b'{"alg":"ES256"}') + "." + encoded(b"[" * 4_000) + ".AAAA",
        ],
        ids=lambda token: repr(token[:20]),
    )
    def test_junk(self, token: str) -> None:
        assert refused(token)

    @pytest.mark.parametrize(
        "payload",
        [b"[]", b"null", b"1", b'"x"', b"{", b"\xff", b'{"iss":' + b"[" * 3_000, b'{"exp":' + b"9" * 5_000 + b"}"],
    )
    def test_payloads_that_are_no_claims(self, payload: bytes) -> None:
        assert refused(sign(payload))

    def test_a_huge_token(self) -> None:
        assert verify(sign(claims(junk="x" * 4_000))).subject == "ann"
        assert refused(sign(claims(junk="x" * 8_000)))

    def test_tokens_while_no_issuer_is_configured(self, settings: Any, server: JwksServer) -> None:
        settings.OUTSIDE_ISSUERS = ""
        assert refused(sign(claims()))
        assert not server.asked

    def test_unknown_issuers_and_algorithms_fetch_nothing(self, server: JwksServer) -> None:
        assert refused(sign(claims(iss="https://evil.example.com")))
        assert refused(sign(claims(), alg="HS256"))
        assert not server.asked

    def test_a_weak_key(self, configure: Callable[..., None], server: JwksServer) -> None:
        weak: RSAPrivateKey = rsa.generate_private_key(65537, 1024)  # noqa: S505 (what is tested)
        jwk = dict(get_default_algorithms()["RS256"].to_jwk(weak.public_key(), as_dict=True))
        configure(algorithms=["RS256"])
        server.publish(jwk | {"kid": "weak"})
        with pytest.warns(jwt.InsecureKeyLengthWarning):
            token = jwt.encode(claims(), weak, "RS256", headers={"kid": "weak"})
        assert refused(token)


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class TestKeys:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def keys(self, server: JwksServer, clock: FakeClock) -> KeySet:
        return KeySet(server.url, ["ES256", "EdDSA"], clock)

    def test_they_are_fetched_once_in_a_while(self, keys: KeySet, server: JwksServer, clock: FakeClock) -> None:
        for _ in range(100):
            assert keys.find("ES256-0", "ES256")
        assert len(server.asked) == 1
        clock.now += FRESH
        assert keys.find("ES256-0", "ES256")
        assert len(server.asked) == 2

    def test_a_new_key(self, keys: KeySet, server: JwksServer, clock: FakeClock) -> None:
        assert keys.find("ES256-0", "ES256")
        server.publish(public_jwk("ES256", 1))
        assert keys.find("ES256-1", "ES256") is None
        clock.now += RETRY_INTERVAL
        assert keys.find("ES256-1", "ES256")
        assert keys.find("ES256-0", "ES256") is None

    def test_a_key_that_was_withdrawn(self, keys: KeySet, server: JwksServer, clock: FakeClock) -> None:
        assert keys.find("ES256-0", "ES256")
        server.publish(public_jwk("EdDSA"))
        clock.now += FRESH
        assert keys.find("ES256-0", "ES256") is None

    def test_unknown_keys_do_not_hammer_the_issuer(self, keys: KeySet, server: JwksServer, clock: FakeClock) -> None:
        for second in range(2 * RETRY_INTERVAL):
            for number in range(20):
                assert keys.find(f"unknown-{second}-{number}", "ES256") is None
            clock.now += 1
        assert len(server.asked) == 2

    def test_threads_make_one_fetch(self, keys: KeySet, server: JwksServer) -> None:
        server.answers.clear()
        with ThreadPoolExecutor(8) as pool:
            finding = [pool.submit(keys.find, "ES256-0", "ES256") for _ in range(8)]
            while not server.asked:
                time.sleep(0.01)
            server.answers.set()
        assert all(found.result() for found in finding)
        assert len(server.asked) == 1

    def test_nobody_waits_for_another_to_fetch_a_key_that_is_there(
        self, keys: KeySet, server: JwksServer, clock: FakeClock
    ) -> None:
        assert keys.find("ES256-0", "ES256")
        clock.now += FRESH
        server.answers.clear()
        with ThreadPoolExecutor(1) as pool:
            fetching = pool.submit(keys.find, "ES256-0", "ES256")
            while len(server.asked) < 2:
                time.sleep(0.01)
            assert keys.find("ES256-0", "ES256")
            assert not fetching.done()
            server.answers.set()
            assert fetching.result()

    def test_the_issuer_is_offline_for_a_while(
        self, keys: KeySet, server: JwksServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert keys.find("ES256-0", "ES256")
        fetched_at = clock.now
        server.status = 503
        clock.now = fetched_at + FRESH
        assert keys.find("ES256-0", "ES256")
        assert "503" in caplog.text
        clock.now = fetched_at + LONGEST_USE - 1
        assert keys.find("ES256-0", "ES256")
        clock.now = fetched_at + LONGEST_USE
        assert keys.find("ES256-0", "ES256") is None
        server.status = 200
        clock.now += RETRY_INTERVAL
        assert keys.find("ES256-0", "ES256")

    def test_the_issuer_was_never_there(self, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
        gone = JwksServer()
        gone.close()
        keys = KeySet(gone.url, ["ES256"], clock)
        for _ in range(5):
            assert keys.find("ES256-0", "ES256") is None
        assert len(caplog.records) == 1
        assert gone.url in caplog.text

    def test_an_issuer_that_does_not_answer(
        self, keys: KeySet, server: JwksServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jwks, "TIMEOUT", 0.2)
        server.answers.clear()
        assert keys.find("ES256-0", "ES256") is None
        assert server.asked

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, keys: KeySet, server: JwksServer, status: int) -> None:
        server.status = status
        server.headers = {"Location": server.url.replace("/jwks", "/elsewhere")}
        assert keys.find("ES256-0", "ES256") is None
        assert server.asked == ["/jwks"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b"\xff",
            b"[]",
            b"null",
            b"{}",
            b'{"keys": {}}',
            b'{"keys": []}',
            b'{"keys": [1, null, "x", [], {}]}',
            b"[" * 100_000,
            json.dumps({"keys": [public_jwk("ES256")], "x": "x" * jwks.MAX_SIZE}).encode(),
            json.dumps({"keys": [public_jwk("ES256")] * (jwks.MAX_KEYS + 1)}).encode(),
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_answers_that_are_no_key_set(
        self, keys: KeySet, server: JwksServer, clock: FakeClock, caplog: pytest.LogCaptureFixture, body: bytes
    ) -> None:
        server.body = body
        assert keys.find("ES256-0", "ES256") is None
        assert len(caplog.records) == 1
        server.publish(public_jwk("ES256"))
        clock.now += RETRY_INTERVAL
        assert keys.find("ES256-0", "ES256")
        server.body = body
        clock.now += FRESH
        assert keys.find("ES256-0", "ES256")

    @pytest.mark.parametrize(
        "broken",
        [
            {"use": "enc"},
            {"use": ["sig"]},
            {"kid": 7},
            {"kid": ["ES256-0"]},
            {"kty": "oct", "k": "AAAA"},
            {"kty": "RSA"},
            {"kty": "RSA", "n": 5, "e": "AQAB"},
            {"kty": "RSA", "n": "AA", "e": "AA"},
            {"kty": None},
            {"kty": ["EC"]},
            {"crv": "P-999"},
            {"crv": 7},
            {"crv": "P-384"},
            {"x": 5},
            {"x": None},
            {"x": "é"},
            {"x": "AAAA"},
            {"x": ["AAAA"]},
            {"alg": "HS256"},
            {"alg": "none"},
            {"alg": 5},
        ],
        ids=repr,
    )
    def test_a_key_that_is_no_good_leaves_the_others(
        self, keys: KeySet, server: JwksServer, broken: dict[str, Any]
    ) -> None:
        server.publish(public_jwk("ES256") | broken, public_jwk("EdDSA"))
        assert keys.find("ES256-0", "ES256") is None
        assert keys.find("EdDSA-0", "EdDSA")

    def test_a_key_without_an_id_is_for_tokens_that_name_none(self, keys: KeySet, server: JwksServer) -> None:
        server.publish({name: value for name, value in public_jwk("ES256").items() if name != "kid"})
        assert keys.find(None, "ES256")
        assert keys.find("ES256-0", "ES256") is None


class TestSettings:
    GOOD = {"issuer": ISSUER, "jwks_url": f"{ISSUER}/jwks", "audience": "todo", "algorithms": ["EdDSA"]}

    @pytest.mark.parametrize("configured", ["", "[]", json.dumps([GOOD])])
    def test_good_ones(self, settings: Any, configured: str) -> None:
        settings.OUTSIDE_ISSUERS = configured
        check_settings()

    @pytest.mark.parametrize(
        "url", ["http://localhost:1/x", "http://127.0.0.1/x", "http://[::1]:8080/x", "https://x:8443/y?z=1"]
    )
    def test_places_of_keys(self, settings: Any, url: str) -> None:
        settings.OUTSIDE_ISSUERS = json.dumps([self.GOOD | {"jwks_url": url}])
        check_settings()

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"issuer": ""}, "issuer is empty"),
            ({"issuer": None}, "issuer"),
            ({"jwks_url": "http://login.example.com/jwks"}, "jwks_url must be an https URL"),
            ({"jwks_url": "http://127.0.0.1.example.com/jwks"}, "jwks_url must be an https URL"),
            ({"jwks_url": "file:///etc/passwd"}, "jwks_url must be an https URL"),
            ({"jwks_url": "https://"}, "jwks_url must be an https URL"),
            ({"jwks_url": "https://[x"}, "jwks_url must be an https URL"),
            ({"jwks_url": "https://x:port/"}, "jwks_url must be an https URL"),
            ({"jwks_url": "https://me:secret@x/"}, "jwks_url must be an https URL"),
            ({"audience": ""}, "audience is empty"),
            ({"audience": []}, "audience is empty"),
            ({"audience": ["todo", ""]}, "audience is empty"),
            ({"audience": 1}, "audience"),
            ({"algorithms": []}, "algorithms must be some of RS256"),
            ({"algorithms": ["none"]}, "algorithms must be some of RS256"),
            ({"algorithms": ["EdDSA", "HS256"]}, "algorithms must be some of RS256"),
            ({"algorithms": "EdDSA"}, "algorithms"),
            ({"scopes": ["tasks:all"]}, "scopes must be some of tasks:read, tasks:write"),
            ({"create_users": "yes"}, "create_users"),
            ({"audiance": "x"}, "audiance"),
        ],
        ids=repr,
    )
    def test_bad_ones(self, settings: Any, change: dict[str, Any], why: str) -> None:
        settings.OUTSIDE_ISSUERS = json.dumps([self.GOOD, self.GOOD | {"issuer": "https://other"} | change])
        with pytest.raises(ImproperlyConfigured, match="OUTSIDE_ISSUERS") as refused:
            check_settings()
        assert why in str(refused.value)
        assert "[1]" in str(refused.value)
        assert "secret" not in str(refused.value)

    @pytest.mark.parametrize("configured", ["{", "{}", "7", '"x"', "[1]", "[{}]", json.dumps([GOOD, GOOD])])
    def test_what_is_no_list_of_issuers(self, settings: Any, configured: str) -> None:
        settings.OUTSIDE_ISSUERS = configured
        with pytest.raises(ImproperlyConfigured, match="OUTSIDE_ISSUERS"):
            check_settings()
