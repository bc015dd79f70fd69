"""Connections that are slow, huge or nonsense: answered or closed, and healthy callers unharmed."""

import asyncio
import io
import json
import socket
import ssl

import pytest
import trustme

from broker.api import server
from broker.telemetry import log
from tests.unit.api.world import World, running
from tests.unit.telemetry.conftest import _logging_as_it_was  # noqa: F401 - an autouse fixture

CANARY = "c4n4ry"


async def is_healthy(world):
    return (await world.get("/codex")).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"X-H%d: v\r\n" % number for number in range(10_000)),
        b"X-Long: " + b"a" * 1_000_000 + b"\r\n",
        b"X" * 100_000 + b": v\r\n",
        b"Authorization: Bearer " + b"a" * 9_000 + b"\r\n",
        b"Cookie: " + b"a=b; " * 20_000 + b"\r\n",
    ],
    ids=["10,000 headers", "1 MB value", "100 kB name", "9 kB key", "100 kB cookie"],
)
async def test_huge_headers_are_answered_or_closed(world, head):
    """No more than the limit is kept of them, and the next caller is served."""
    answer = await world.raw(b"GET /codex HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
    assert answer[9:12] in (b"", b"400")
    assert await is_healthy(world)


async def test_a_huge_request_line_is_answered_or_closed(world):
    """A target beyond 4 kB is no request of ours."""
    for size in (5_000, 1_000_000):
        answer = await world.raw(b"GET /codex?" + b"a" * size + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer[9:12] in (b"", b"400")
    assert await is_healthy(world)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /codex\r\n\r\n",
        b"NONSENSE /codex HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /codex HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /codex HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /codex HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n",
        b"GET /codex HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
        b"GET /codex HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /codex HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\r\n" * 5_000,
        b"\x00" * 5_000,
        b"GET " + b"/" * 3_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
async def test_nonsense_is_answered_with_a_problem_or_closed(world, request_bytes):
    """Whatever is no request ends its own connection at most."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(request_bytes)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), head
        assert b"application/problem+json" in head
        assert b"no-store" in head
        assert json.loads(body)["code"] in ("invalid_request", "not_found", "content_too_large")
    assert world.audit.records == []
    assert await is_healthy(world)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"CONNECT evil.example:443 HTTP/1.1", b"404"),
        (b"OPTIONS * HTTP/1.1", b"404"),
        (b"GET http://evil.example/nothing HTTP/1.1", b"404"),
        (b"GET http://evil.example/healthz HTTP/1.1", b"200"),
    ],
)
async def test_targets_that_are_no_path_are_answered_as_problems(world, line, status):
    """Authority, asterisk and absolute form (RFC 9112 §3.2) reach no other host."""
    answer = await world.raw(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n", until_closed=False)
    assert answer.split(b" ")[1] == status
    if status != b"200":
        assert b"application/problem+json" in answer


async def test_a_malformed_request_does_not_get_its_headers_into_the_log_or_back(world):
    """The parser quotes the offending line, which may hold a key: neither log nor answer repeats it."""
    stream = io.StringIO()
    log.configure("debug", stream)
    for bad in (b"Authorization: Bearer \x00%s\r\n", b"Bad Header\x01 %s: v\r\n", b"%s\r\n"):
        request = b"GET /%s HTTP/1.1\r\nHost: x\r\n" % CANARY.encode() + bad % CANARY.encode() + b"\r\n"
        answer = await world.raw(request)
        assert answer[9:12] == b"400"
        assert CANARY.encode() not in answer
    assert "could not be parsed" in stream.getvalue()
    assert CANARY not in stream.getvalue()


async def test_a_bug_in_a_handler_is_logged_by_its_place_and_not_by_its_text(world):
    """The request is among a traceback's locals, and an exception's text may quote anything."""
    stream = io.StringIO()
    log.configure("debug", stream)
    key = world.client()

    def broken(_account):
        raise ValueError(CANARY)

    world.roster.account_by_id = broken
    assert (await world.get()).status == 500
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["event"], line["error"]) == ("request_failed", "ValueError")
    assert line["where"][-1].startswith(f"{__file__}:")
    assert key not in stream.getvalue()
    assert CANARY not in stream.getvalue()


async def test_slow_headers_are_closed_and_healthy_callers_unharmed(monkeypatch):
    """A hundred connections that never finish their headers are all ended by the broker."""
    assert server._SLOWEST_REQUEST_S <= 30
    monkeypatch.setattr(server, "_SLOWEST_REQUEST_S", 0.3)
    world = World()
    world.account()
    world.client()
    async with running(world):

        async def drip():
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(b"GET /codex HTTP/1.1\r\nHost: x\r\n")
            try:
                while not reader.at_eof():
                    writer.write(b"X")
                    try:
                        await asyncio.wait_for(reader.read(1), 0.05)
                    except TimeoutError:
                        continue
            except ConnectionError:
                pass
            finally:
                writer.close()

        attack = [asyncio.ensure_future(drip()) for _ in range(100)]
        while not all(one.done() for one in attack):
            assert await is_healthy(world)
            await asyncio.wait(attack, timeout=0.05)
        for one in attack:
            one.result()
        assert await is_healthy(world)


async def test_an_idle_connection_is_closed(monkeypatch):
    """One that never sends a byte is ended as well."""
    monkeypatch.setattr(server, "_SLOWEST_REQUEST_S", 0.05)
    async with running(World()) as world:
        assert await asyncio.wait_for(world.raw(b""), 30) == b""


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch):
    """The answer is given at once, the connection closed soon after."""
    monkeypatch.setattr(server, "_LINGER_S", 0.05)
    async with running(World()) as world:
        request = b"POST /codex HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nabc"
        answer = await asyncio.wait_for(world.raw(request), 30)
        assert answer.startswith(b"HTTP/1.1 405 ")


async def test_many_requests_in_one_write_are_all_answered(world):
    """Pipelining beyond what is buffered loses nothing."""
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await world.raw(one * 199 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 200


async def test_stopping_answers_the_requests_in_flight(world):
    """A caller that is waiting gets its token, new callers none."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def record(_record):
        waiting.set()
        await go_on.wait()

    world.audit.record = record
    asking = asyncio.ensure_future(world.get())
    await waiting.wait()
    stopping = asyncio.ensure_future(world.runner.cleanup())
    await asyncio.sleep(0)
    assert not world.runner.sites
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", world.port), timeout=30)
    go_on.set()
    assert (await asking).status == 200
    await stopping


async def test_a_caller_that_goes_away_while_waiting_harms_nobody(world):
    """Its exchange and its record go on, the next caller is served."""
    waiting, go_on, recorded = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def record(_record):
        waiting.set()
        await go_on.wait()
        recorded.set()

    world.audit.record = record
    asking = asyncio.ensure_future(world.get())
    await waiting.wait()
    asking.cancel()
    await asyncio.wait([asking])
    go_on.set()
    await asyncio.wait_for(recorded.wait(), 30)
    assert await is_healthy(world)


async def test_tls_is_served_and_plain_http_on_it_is_closed(tmp_path):
    """With a certificate the same answers come over TLS; plain text gets nothing."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with running(World(), tls=context) as world:
        async with world.http.get(f"https://127.0.0.1:{world.port}/healthz", ssl=trusting) as response:
            assert response.status == 200
        assert b"HTTP" not in await world.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
