"""Bodies in chunks, and the charset that a request names."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pytest_django import Settings

from todoproj.web import Utf8Request, accept_chunked

BODY = b'{"title": "x"}'


class Recorder:
    """A WSGI application and its server, which keep what they were given."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.environ = environ
        return [b"served"]

    def start_response(self, status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        self.status, self.headers = int(status.split()[0]), dict(headers)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def send(recorder: Recorder, environ: dict[str, Any], body: bytes = BODY) -> bytes:
    given = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True} | environ
    return b"".join(accept_chunked(recorder)(given, recorder.start_response))


class TestChunked:
    @pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked "])
    def test_a_body_of_unstated_length_becomes_one_of_stated_length(self, recorder: Recorder, coding: str) -> None:
        assert send(recorder, {"HTTP_TRANSFER_ENCODING": coding}) == b"served"
        assert recorder.environ is not None
        assert recorder.environ["CONTENT_LENGTH"] == str(len(BODY))
        assert recorder.environ["wsgi.input"].read() == BODY
        assert "HTTP_TRANSFER_ENCODING" not in recorder.environ

    def test_one_of_stated_length_stays_as_it_is(self, recorder: Recorder) -> None:
        stream = io.BytesIO(BODY)
        send(recorder, {"CONTENT_LENGTH": "3", "wsgi.input": stream})
        assert recorder.environ is not None
        assert recorder.environ["wsgi.input"] is stream
        assert (recorder.environ["CONTENT_LENGTH"], stream.tell()) == ("3", 0)

    def test_no_more_is_read_than_shows_that_it_is_too_much(self, recorder: Recorder, settings: Settings) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
        send(recorder, {"HTTP_TRANSFER_ENCODING": "chunked"}, b"x" * 1000)
        assert recorder.environ is not None
        assert recorder.environ["CONTENT_LENGTH"] == "11"

    @pytest.mark.parametrize(
        "environ",
        [
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "3"},
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""},
            {"HTTP_TRANSFER_ENCODING": "chunked,chunked"},
            {"HTTP_TRANSFER_ENCODING": "gzip, chunked"},
            {"HTTP_TRANSFER_ENCODING": "identity"},
            {"HTTP_TRANSFER_ENCODING": ""},
        ],
    )
    def test_two_ways_to_tell_where_it_ends_are_refused(self, recorder: Recorder, environ: dict[str, str]) -> None:
        assert b'"status": 400' in send(recorder, environ)
        assert recorder.environ is None
        assert (recorder.status, recorder.headers["Content-Type"]) == (400, "application/problem+json")

    def test_a_server_that_leaves_chunks_in_the_stream(self, recorder: Recorder) -> None:
        """To read on there would be to wait for ever."""
        send(recorder, {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": False})
        assert (recorder.environ, recorder.status) == (None, 411)


@pytest.mark.parametrize("charset", ["zlib", "undefined", "idna", "rot13", "utf-16", "nonsense", "utf-8"])
def test_no_charset_changes_how_the_query_is_read(charset: str) -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "QUERY_STRING": "status=%C3%A9",
        "CONTENT_TYPE": f"application/json; charset={charset}",
        "wsgi.input": io.BytesIO(),
    }
    assert Utf8Request(environ).GET["status"] == "é"
