import socket
import threading
import time

import pytest

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome
from devperf_pipeline.services.http.protocol import Answer, ask, cached_by, check, complete, encode, parse

SIMPLE = b'HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 15\r\n\r\n{"status":"ok"}'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nWiki\r\n6;name=value\r\npedia \r\nA\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n"
)


class TestEncode:
    def test_request_without_body(self) -> None:
        """A GET is a request line, a host, and nothing after the empty line."""
        expected = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: */*\r\n\r\n"
        assert expected == encode("GET", "/health", "127.0.0.1:80")

    def test_request_with_body(self) -> None:
        """A body is announced with its type and its length in bytes."""
        request = encode("POST", "/x", "h", '{"a":"é"}'.encode())
        assert request.endswith(b"Content-Length: 10\r\n\r\n" + '{"a":"é"}'.encode())

    def test_request_with_headers(self) -> None:
        """Further headers stand in the head, a line each."""
        request = encode("LIST", "/x", "h", headers={"X-One": "1", "X-Two": "2"})
        assert request == b"LIST /x HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nX-One: 1\r\nX-Two: 2\r\n\r\n"


class TestComplete:
    @pytest.mark.parametrize(
        "whole",
        [
            SIMPLE,
            SIMPLE.replace(b"content-length", b"Content-Length"),
            SIMPLE.replace(b"content-length: 15", b"CONTENT-LENGTH:15"),
            CHUNKED + b"\r\n",
            CHUNKED + b"Trailer: yes\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n",
        ],
    )
    def test_only_the_whole_answer_is_whole(self, whole: bytes) -> None:
        """However an answer is cut short, it is not whole, and the whole one is."""
        cut = [end for end in range(len(whole)) if complete(whole[:end])]
        assert ([], True) == (cut, complete(whole))

    def test_a_grown_buffer(self) -> None:
        """The engine gathers pieces in a bytearray, which is told the same way."""
        for whole in (SIMPLE, b"HTTP/1.1 204 No Content\r\n\r\n", CHUNKED + b"\r\n"):
            assert complete(bytearray(whole))  # type: ignore[arg-type]

    def test_length_in_another_header(self) -> None:
        """A length is that of Content-Length and of no header that merely ends with its name."""
        answer = b"HTTP/1.1 200 OK\r\nx-content-length: 1\r\ncontent-length: 5\r\n\r\n"
        assert (False, True) == (complete(answer + b"1234"), complete(answer + b"12345"))

    def test_length_in_the_body(self) -> None:
        """What looks like a header in the body is body."""
        answer = b"HTTP/1.1 200 OK\r\nContent-length: 40\r\n\r\n\r\ncontent-length: 1\r\n\r\n"
        assert not complete(answer)

    @pytest.mark.parametrize(
        "endless",
        [
            b"HTTP/1.1 200 OK\r\n\r\nno length at all",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
        ],
    )
    def test_what_never_ends_is_refused(self, endless: bytes) -> None:
        """An answer that does not say where it ends is handed on at once, and refused when it is read."""
        assert complete(endless)
        with pytest.raises(WrongAnswer):
            parse(endless)


class TestParse:
    def test_simple(self) -> None:
        """Status, headers in lower case, and the body."""
        expected = Answer(200, {"server": "x", "content-length": "15"}, b'{"status":"ok"}')
        assert expected == parse(SIMPLE)

    def test_chunked(self) -> None:
        """Chunks are put together, their extensions and trailers left out."""
        assert parse(CHUNKED + b"\r\n").body == b"Wikipedia 0\r\n\r\n0\r\n\r\n"

    @pytest.mark.parametrize(
        "junk",
        [
            b"",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"-ERR unknown command\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            SIMPLE + b"HTTP/1.1 200 OK",
            SIMPLE[:-1],
            CHUNKED + b"\r\nmore",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ],
    )
    def test_junk(self, junk: bytes) -> None:
        """What is not exactly one HTTP answer is refused."""
        with pytest.raises(WrongAnswer, match="expected"):
            parse(junk)


class TestCheck:
    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            (b"HTTP/1.1 200 OK", Outcome.OK),
            (b"HTTP/1.0 201 Created", Outcome.OK),
            (b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /health/", Outcome.REDIRECTED),
            (b"HTTP/1.1 404 Not Found", Outcome.ERROR),
            (b"HTTP/1.1 429 Too Many Requests", Outcome.LIMITED),
            (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3", Outcome.LIMITED),
            (b"HTTP/1.1 503 Service Unavailable\r\nx: retry-after:", Outcome.ERROR),
            (b"HTTP/1.1 500 Internal Server Error", Outcome.ERROR),
            (b"HTTP/1.1 2xx OK"[:9] + b"abc", Outcome.WRONG),
            (b"+PONG", Outcome.WRONG),
        ],
    )
    def test_outcome(self, head: bytes, expected: Outcome) -> None:
        """Each status has its outcome; a limit and a redirect are not plain errors."""
        assert expected == check(head + b"\r\ncontent-length: 0\r\n\r\n")


class TestCachedBy:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"x-fastapi-cache": "HIT"}, "x-fastapi-cache: HIT"),
            ({"age": "3"}, "age: 3"),
            ({"x-cache": "MISS", "cache-control": "max-age=30"}, None),
        ],
    )
    def test_cached_by(self, headers: dict[str, str], expected: str | None) -> None:
        """A cache that answered is found by its header; one that only might have is not accused."""
        assert expected == cached_by(headers)


class TestAsk:
    @pytest.mark.parametrize("piece", [b"HTTP/1.1 200 OK\r\n", b""])
    def test_deadline_is_for_the_whole_answer(self, piece: bytes) -> None:
        """A server that is silent, or sends a little again and again, is given up at the deadline."""
        ours, theirs = socket.socketpair()
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.02):
                theirs.sendall(piece)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(TimeoutError):
                ask(ours, b"GET / HTTP/1.1\r\n\r\n", 0.2)
            assert time.monotonic() - began < 5
        finally:
            over.set()
            thread.join()
            ours.close()
            theirs.close()

    def test_closed_in_the_middle(self) -> None:
        """A connection that ends before the answer does is lost, not answered."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(SIMPLE[:-1])
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionResetError, match="closed before"):
                ask(ours, b"GET / HTTP/1.1\r\n\r\n", 1)
