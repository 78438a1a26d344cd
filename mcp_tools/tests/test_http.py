"""MCP over HTTP: what is refused before the message counts, and with which status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import NEWEST, Caller
from mcp_tools.protocol import MAX_MESSAGE_SIZE
from mcp_tools.tests.replying import check_response
from tasks.models import Task
from todoproj.users.models import PersonalToken, User

pytestmark = pytest.mark.django_db

META = "io.modelcontextprotocol/"


@pytest.fixture
def caller(ann: User, caller_for: Callable[..., Caller]) -> Caller:
    return caller_for(ann)


def error_of(response: Any) -> tuple[int, int, Any]:
    """The status, the error's code, and the id, or None if there is none."""
    body = response.json()
    check_response(body)
    return response.status_code, body["error"]["code"], body.get("id")


# Where a client finds out how to get a token.
CHALLENGE = (
    'Bearer resource_metadata="http://testserver/.well-known/oauth-protected-resource/mcp", '
    'scope="tasks:read tasks:write"'
)


class TestToken:
    @pytest.mark.parametrize(
        "authorization",
        [None, "", "Bearer", "Bearer ", "Basic YW5uOnB3", "Token todo_x", "todo_x"],
    )
    def test_none(self, caller: Caller, authorization: str | None) -> None:
        response = caller.post(caller.request("tools/list"), Authorization=authorization)
        assert error_of(response)[0] == 401
        assert response["WWW-Authenticate"] == CHALLENGE

    @pytest.mark.parametrize("token", ["x", "todo_", "todo_x", "eyJhbGciOiJub25lIn0.e30.", "todo_é", "todo_x todo_y"])
    def test_unknown(self, caller: Caller, token: str) -> None:
        response = caller.post(caller.request("tools/list"), Authorization=f"Bearer {token}")
        assert error_of(response)[0] == 401
        assert 'error="invalid_token"' in response["WWW-Authenticate"]

    def test_expired(self, caller: Caller) -> None:
        PersonalToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert caller.post(caller.request("tools/list")).status_code == 401

    def test_the_scheme_is_read_without_case(self, caller: Caller) -> None:
        assert caller.post(caller.request("tools/list"), Authorization=f"bearer {caller.token}").status_code == 200

    def test_in_the_query_or_the_body_it_does_not_count(self, caller: Caller) -> None:
        response = Client().post(
            f"/mcp?access_token={caller.token}", {"access_token": caller.token}, content_type="application/json"
        )
        assert response.status_code == 401

    def test_a_session_cookie_does_not_count(self, ann: User) -> None:
        client = Client()
        client.force_login(ann)
        assert client.post("/mcp", {}, content_type="application/json").status_code == 401

    def test_its_last_use_is_kept_without_a_write_on_every_call(
        self, caller: Caller, django_assert_num_queries: Any
    ) -> None:
        assert PersonalToken.objects.get().last_used_at is None
        caller.post(caller.request("tools/list"))
        first = PersonalToken.objects.get().last_used_at
        assert first is not None
        with django_assert_num_queries(1):
            caller.post(caller.request("tools/list"))
        assert PersonalToken.objects.get().last_used_at == first
        PersonalToken.objects.update(last_used_at=first - timedelta(days=1))
        caller.post(caller.request("tools/list"))
        assert PersonalToken.objects.filter(last_used_at__gt=first).exists()


class TestOrigin:
    @pytest.mark.parametrize("revision", [NEWEST, "2025-11-25", "2025-03-26"])
    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "",
            "http://testserver.evil.example",
            "http://127.0.0.1.evil.example",
            "http://testserver:81",
            "https://testserver",
            "http://evil.example#http://testserver",
            "http://allowed.example",
        ],
    )
    def test_foreign(self, caller: Caller, settings: Settings, revision: str, origin: str) -> None:
        settings.MCP_ALLOWED_ORIGINS = ["https://allowed.example"]
        caller.revision = revision
        assert caller.post(caller.request("tools/list"), Origin=origin).status_code == 403

    @pytest.mark.parametrize("origin", ["http://testserver", "https://allowed.example"])
    def test_allowed(self, caller: Caller, settings: Settings, origin: str) -> None:
        settings.MCP_ALLOWED_ORIGINS = ["https://allowed.example"]
        assert caller.post(caller.request("tools/list"), Origin=origin).status_code == 200

    def test_is_asked_before_the_token(self, caller: Caller) -> None:
        response = caller.post(caller.request("tools/list"), Origin="https://evil.example", Authorization=None)
        assert response.status_code == 403

    def test_a_host_that_was_rebound_is_not_ours(self, caller: Caller) -> None:
        response = caller.post(caller.request("tools/list"), Host="evil.example", Origin="http://evil.example")
        assert response.status_code == 400


class TestRequest:
    @pytest.mark.parametrize("method", ["get", "delete", "put", "patch", "options", "head"])
    def test_only_post(self, caller: Caller, method: str) -> None:
        response = getattr(Client(), method)("/mcp", headers={"Authorization": f"Bearer {caller.token}"})
        assert response.status_code == 405
        assert response["Allow"] == "POST"

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]
    )
    def test_only_json(self, caller: Caller, content_type: str) -> None:
        response = caller.post(caller.request("tools/list"), Content_Type=content_type)
        assert response.status_code == 415

    @pytest.mark.parametrize(
        "accept",
        [
            None,
            "*/*",
            "application/json",
            "application/*",
            "text/event-stream, APPLICATION/JSON",
            "application/json;charset=utf-8",
            "application/json ; q=0.001",
            "text/html;q=0, */*;q=0.1",
            "*/*;q=0, application/json",
        ],
    )
    def test_json_is_accepted(self, caller: Caller, accept: str | None) -> None:
        assert caller.post(caller.request("tools/list"), Accept=accept).status_code == 200

    @pytest.mark.parametrize(
        "accept",
        [
            "text/event-stream",
            "",
            "application/jsonx",
            "application/json+x",
            "x-application/json",
            "application/json;q=0",
            "application/json; q=0.000, text/event-stream",
            "*/*;q=0",
            "*/*, application/json;q=0",
            "application/json;Q=0, application/*",
        ],
    )
    def test_json_is_not_accepted(self, caller: Caller, accept: str) -> None:
        response = caller.post(caller.request("tools/list"), Accept=accept)
        assert error_of(response) == (406, -32600, None)

    def test_too_large(self, caller: Caller) -> None:
        response = caller.raw_call("add_task", title="x", description="x" * MAX_MESSAGE_SIZE)
        assert response.status_code == 413
        assert not Task.objects.exists()

    def test_no_session_is_minted(self, caller: Caller) -> None:
        caller.revision = "2025-11-25"
        response = caller.post(caller.request("initialize", {"protocolVersion": "2025-11-25"}))
        assert "Mcp-Session-Id" not in response
        assert not response.cookies

    def test_each_has_an_id(self, caller: Caller) -> None:
        message = caller.request("tools/list")
        assert len(caller.post(message)["X-Request-ID"]) == 32
        assert caller.post(message, X_Request_ID="trace-7")["X-Request-ID"] == "trace-7"
        assert caller.post(message, X_Request_ID="x\ty")["X-Request-ID"] != "x\ty"


class TestMessage:
    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"", "it is not JSON at character 1"),
            (b" ", "it is not JSON at character 2"),
            (b"{", "it is not JSON at character 2"),
            (b"\xff\xfe", "it is not UTF-8"),
            (b'{"jsonrpc":"2.0","id":NaN,"method":"tools/list"}', "NaN is not JSON"),
            (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}', "a key occurs twice in an object"),
            (b"[" * 100_000, "it nests too deeply"),
            (
                b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
                "it nests too deeply",
            ),
            (
                b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"tools/list"}',
                "a number has more than 4300 digits",
            ),
        ],
    )
    def test_that_can_not_be_read(self, caller: Caller, body: bytes, why: str) -> None:
        response = caller.post(body, Mcp_Method="tools/list", Content_Type="application/json")
        assert error_of(response) == (400, -32700, None)
        assert response.json()["error"]["message"] == f"Parse error: {why}."

    @pytest.mark.parametrize("revision", [NEWEST, "2025-11-25", "2025-03-26"])
    @pytest.mark.parametrize(
        "message",
        [
            [],
            [{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}],
            "x",
            7,
            None,
            {},
            {"jsonrpc": "2.0", "id": 1, "result": {}},
            {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}},
            {"jsonrpc": "2.0", "id": None, "method": "tools/list"},
            {"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"},
            {"jsonrpc": "2.0", "id": True, "method": "tools/list"},
            {"jsonrpc": "2.0", "id": [1], "method": "tools/list"},
            {"jsonrpc": "2.0", "id": {}, "method": "tools/list"},
            {"jsonrpc": "2.0", "id": "\ud800", "method": "tools/list"},
            {"jsonrpc": "1.0", "id": 1, "method": "tools/list"},
            {"id": 1, "method": "tools/list"},
            {"jsonrpc": "2.0", "id": 1, "method": 7},
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": []},
            {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": None},
        ],
    )
    def test_that_is_no_request(self, caller: Caller, revision: str, message: Any) -> None:
        caller.revision = revision
        status, code, id = error_of(caller.post(message))
        assert (status, code) == (400, -32600)
        readable = isinstance(message, dict) and message.get("id") == 1 and message["id"] is not True
        assert id == (1 if readable else None)

    @pytest.mark.parametrize("id", [0, -1, 2**53, 2**63, 10**40, -(10**40), "", "a", "é", "1"])
    def test_ids_come_back_as_they_were(self, caller: Caller, id: Any) -> None:
        assert caller.post(caller.request("tools/list", id=id)).json()["id"] == id

    @pytest.mark.parametrize("revision", [NEWEST, "2025-11-25", "2025-03-26"])
    def test_notification(self, caller: Caller, revision: str) -> None:
        caller.revision = revision
        for method in ["notifications/initialized", "notifications/cancelled", "tools/call"]:
            response = caller.post({"jsonrpc": "2.0", "method": method, "params": {"name": "add_task"}})
            assert (response.status_code, response.content) == (202, b"")
        assert not Task.objects.exists()

    @pytest.mark.parametrize("headers", [{"Mcp_Method": None}, {"Mcp_Method": "tools/list"}])
    def test_notification_whose_headers_say_something_else(self, caller: Caller, headers: dict[str, Any]) -> None:
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert error_of(caller.post(message, **headers)) == (400, -32020, None)

    def test_notification_in_an_unknown_revision(self, caller: Caller) -> None:
        message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert error_of(caller.post(message, MCP_Protocol_Version="1999-01-01")) == (400, -32022, None)


class TestNewestRevision:
    def meta(self, **changes: Any) -> dict[str, Any]:
        meta = {"protocolVersion": NEWEST, "clientCapabilities": {}} | changes
        return {"_meta": {META + name: value for name, value in meta.items() if value is not ...}}

    def test_discover(self, caller: Caller) -> None:
        result = caller.result("server/discover")
        assert result["supportedVersions"] == [NEWEST, "2025-11-25", "2025-06-18", "2025-03-26"]
        assert result["capabilities"] == {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
        assert result["resultType"] == "complete"
        assert isinstance(result["ttlMs"], int)
        assert result["cacheScope"] == "public"
        assert result["_meta"][META + "serverInfo"]["name"] == "todoproj"

    @pytest.mark.parametrize("method", ["tools/list", "tools/call"])
    def test_every_result_says_who_made_it(self, caller: Caller, method: str) -> None:
        result = caller.result(method, {"name": "list_tasks"} if method == "tools/call" else {})
        assert result["resultType"] == "complete"
        assert set(result["_meta"][META + "serverInfo"]) == {"name", "title", "version"}

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"_meta": None},
            {"_meta": []},
            {"_meta": {}},
            {"_meta": {META + "protocolVersion": NEWEST}},
            {"_meta": {META + "clientCapabilities": {}}},
            {"_meta": {META + "protocolVersion": NEWEST, META + "clientCapabilities": []}},
            {"_meta": {META + "protocolVersion": NEWEST, META + "clientCapabilities": None}},
            {"_meta": {META + "protocolVersion": NEWEST, META + "clientCapabilities": {}, META + "clientInfo": "x"}},
        ],
    )
    def test_meta_is_needed(self, caller: Caller, params: Any) -> None:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
        assert error_of(caller.post(message)) == (400, -32602, 1)

    @pytest.mark.parametrize("version", ["2025-11-25", "1999-01-01", 7, {}])
    def test_meta_must_agree_with_the_header(self, caller: Caller, version: Any) -> None:
        message = caller.request("tools/list", self.meta(protocolVersion=version))
        assert error_of(caller.post(message)) == (400, -32020, 1)

    def test_the_version_header_is_needed(self, caller: Caller) -> None:
        response = caller.post(caller.request("tools/list"), MCP_Protocol_Version=None)
        assert error_of(response) == (400, -32020, 1)

    def test_an_old_version_header_hides_nothing(self, caller: Caller) -> None:
        response = caller.post(caller.request("tools/list"), MCP_Protocol_Version="2025-11-25")
        assert error_of(response) == (400, -32020, 1)

    def test_unsupported(self, caller: Caller) -> None:
        message = caller.request("tools/list", self.meta(protocolVersion="2030-01-01"))
        response = caller.post(message, MCP_Protocol_Version="2030-01-01")
        assert error_of(response) == (400, -32022, 1)
        assert response.json()["error"]["data"] == {
            "supported": [NEWEST, "2025-11-25", "2025-06-18", "2025-03-26"],
            "requested": "2030-01-01",
        }

    @pytest.mark.parametrize("value", [None, "", "tools/call", "Tools/List", "tools/list,tools/list"])
    def test_the_method_header(self, caller: Caller, value: str | None) -> None:
        assert error_of(caller.post(caller.request("tools/list"), Mcp_Method=value)) == (400, -32020, 1)

    @pytest.mark.parametrize(
        "value", [None, "", "list_tasks", "add_task,add_task", "=?base64?x?=", "=?base64??=", "=?base64?/////w==?="]
    )
    def test_the_name_header(self, caller: Caller, value: str | None) -> None:
        message = caller.request("tools/call", {"name": "add_task", "arguments": {"title": "x"}})
        assert error_of(caller.post(message, Mcp_Name=value)) == (400, -32020, 1)
        assert not Task.objects.exists()

    @pytest.mark.parametrize("value", ["  add_task ", "=?base64?YWRkX3Rhc2s=?="])
    def test_the_name_header_is_trimmed_and_decoded(self, caller: Caller, value: str) -> None:
        message = caller.request("tools/call", {"name": "add_task", "arguments": {"title": "x"}})
        assert caller.post(message, Mcp_Name=value).status_code == 200

    @pytest.mark.parametrize(
        "method",
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "nonsense", "", "__init__"],
    )
    def test_unknown_methods(self, caller: Caller, method: str) -> None:
        assert error_of(caller.post(caller.request(method))) == (404, -32601, 1)

    @pytest.mark.parametrize("params", [{"name": "nonsense"}, {"name": "Add_task"}, {"name": ""}])
    def test_unknown_tools(self, caller: Caller, params: Any) -> None:
        assert error_of(caller.post(caller.request("tools/call", params))) == (400, -32602, 1)

    @pytest.mark.parametrize("params", [{}, {"name": None}, {"name": 7}, {"name": ["add_task"]}])
    def test_no_tool_name(self, caller: Caller, params: Any) -> None:
        assert error_of(caller.post(caller.request("tools/call", params))) == (400, -32602, 1)

    @pytest.mark.parametrize(("method", "name"), [("tools/call", "list_tasks"), ("prompts/get", "weekly_review")])
    @pytest.mark.parametrize("arguments", [[], ["x"], "", "x", 0, 7, False, True])
    def test_arguments_that_are_no_object(self, caller: Caller, method: str, name: str, arguments: Any) -> None:
        message = caller.request(method, {"name": name, "arguments": arguments})
        assert error_of(caller.post(message)) == (400, -32602, 1)

    @pytest.mark.parametrize(("method", "name"), [("tools/call", "list_tasks"), ("prompts/get", "weekly_review")])
    @pytest.mark.parametrize("arguments", [{}, None])
    def test_no_arguments(self, caller: Caller, method: str, name: str, arguments: Any) -> None:
        assert caller.result(method, {"name": name, "arguments": arguments})

    @pytest.mark.parametrize("cursor", ["", "x", 7])
    def test_no_cursor_of_the_tool_list_is_valid(self, caller: Caller, cursor: Any) -> None:
        assert error_of(caller.post(caller.request("tools/list", {"cursor": cursor}))) == (400, -32602, 1)


class TestHandshakeRevisions:
    @pytest.fixture(params=["2025-11-25", "2025-06-18", "2025-03-26"])
    def caller(self, request: pytest.FixtureRequest, ann: User, caller_for: Callable[..., Caller]) -> Caller:
        return caller_for(ann, revision=request.param)

    def initialize(self, caller: Caller, version: Any) -> Any:
        message = caller.request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {}})
        return caller.post(message, MCP_Protocol_Version=None)

    def test_handshake(self, caller: Caller) -> None:
        result = self.initialize(caller, caller.revision).json()["result"]
        assert result["protocolVersion"] == caller.revision
        assert result["capabilities"] == {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
        assert result["serverInfo"]["name"] == "todoproj"
        assert result["instructions"]
        assert "resultType" not in result

    @pytest.mark.parametrize("version", [NEWEST, "2024-11-05", "1999-01-01", "x", ""])
    def test_handshake_with_another_version(self, caller: Caller, version: str) -> None:
        assert self.initialize(caller, version).json()["result"]["protocolVersion"] == "2025-11-25"

    def test_handshake_without_a_version(self, caller: Caller) -> None:
        response = caller.post(caller.request("initialize"))
        assert error_of(response) == (200, -32602, 1)

    def test_ping(self, caller: Caller) -> None:
        assert caller.result("ping") == {}

    def test_without_the_header(self, caller: Caller) -> None:
        assert caller.post(caller.request("tools/list"), MCP_Protocol_Version=None).status_code == 200

    def test_unsupported_header(self, caller: Caller) -> None:
        assert error_of(caller.post(caller.request("ping"), MCP_Protocol_Version="2024-11-05")) == (400, -32022, 1)

    @pytest.mark.parametrize("method", ["server/discover", "logging/setLevel", "resources/subscribe", "nonsense"])
    def test_unknown_methods(self, caller: Caller, method: str) -> None:
        assert error_of(caller.post(caller.request(method))) == (200, -32601, 1)

    def test_unknown_tool(self, caller: Caller) -> None:
        assert error_of(caller.raw_call("nonsense")) == (200, -32602, 1)

    def test_a_call_is_served_as_in_the_newest(self, caller: Caller, ann: User) -> None:
        assert caller.call("add_task", title="x")["status"] == "success"
        result = caller.result("tools/call", {"name": "list_tasks"})
        assert set(result) == {"content", "structuredContent", "isError"}


class TestFailure:
    def test_that_nobody_expected(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("SELECT secret FROM /path")

        monkeypatch.setattr("mcp_tools.views.SERVER.answer", fail)
        response = caller.post(caller.request("tools/list"))
        assert error_of(response) == (500, -32603, 1)
        assert b"secret" not in response.content
        assert response["X-Request-ID"] in response.json()["error"]["message"]
        assert "SELECT secret" in caplog.text

    @pytest.mark.parametrize(
        ("body", "id"),
        [
            ({"id": 7, "method": "tools/list"}, 7),
            ({"id": 0, "method": "tools/call", "params": {"name": "list_tasks"}}, 0),
            ({"id": "", "method": "resources/read", "params": {"uri": "todo://tasks/pending"}}, ""),
            ({"id": 7, "method": "nonsense"}, 7),
            ({"method": "notifications/initialized"}, None),
            (b"{", None),
        ],
    )
    def test_of_the_database(self, caller: Caller, body: Any, id: Any) -> None:
        caller.revision = "2025-11-25"
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE personal_tokens RENAME TO elsewhere")
        response = caller.post(body if isinstance(body, bytes) else {"jsonrpc": "2.0"} | body)
        assert error_of(response) == (500, -32603, id)
        assert response["X-Request-ID"] in response.json()["error"]["message"]
        assert b"personal_tokens" not in response.content


class TestLog:
    def test_one_line_a_call_without_its_text(self, caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        caller.call("add_task", title="a private matter", description="more of it")
        caller.call("add_task", user_id="bob", title="a private matter")
        added, refused = [record for record in caplog.records if record.getMessage() == "tool call"]
        assert (added.tool, added.principal, added.user, added.outcome) == ("add_task", "ann", "ann", "success")  # type: ignore[attr-defined]
        assert (refused.user, refused.outcome) == ("bob", 404)  # type: ignore[attr-defined]
        assert added.milliseconds > 0  # type: ignore[attr-defined]
        for record in caplog.records:
            assert "private" not in str(vars(record))
            assert caller.token not in str(vars(record))

    def test_whom_a_service_account_names_in_the_header(
        self, caller_for: Callable[..., Caller], backend: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        caller_for(backend).post(caller_for(backend).request("tools/call", {"name": "list_tasks"}), On_Behalf_Of="ann")
        (done,) = [record for record in caplog.records if record.getMessage() == "tool call"]
        assert (done.principal, done.user) == (backend.pk, "ann")  # type: ignore[attr-defined]

    def test_a_person_who_is_no_text(self, caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
        """What nests as deep as a body may is not written down: that would go one call too deep."""
        caplog.set_level("INFO")
        caller.call("list_tasks", user_id=[["bob"]])
        (refused,) = [record for record in caplog.records if record.getMessage() == "tool call"]
        assert (refused.user, refused.outcome) == ("?", 400)  # type: ignore[attr-defined]
