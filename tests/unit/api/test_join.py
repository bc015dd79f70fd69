"""``POST /join``: what is sent, what is answered, and how often it may be tried."""

import asyncio
import json
import os
from ipaddress import ip_network

import pytest

from broker.access.gate import Limits
from broker.access.limits import Rate
from broker.domain.apikey import new_key
from broker.store.invites import Joined
from fetchtoken.domain.errors import ConfigError, Unavailable
from fetchtoken.domain.secret import Secret
from tests.support.records import a_client
from tests.unit.api.world import WIDE, World, problem, running

CODE = new_key("cbi", os.urandom).text.reveal()
NONCE = "n" * 64
KEY = new_key("cbk", os.urandom).text
FIRST = Joined(client=a_client(name="box"), api_key=KEY, accounts=("home", "work"), first=True)
AGAIN = Joined(client=a_client(name="box"), api_key=KEY, accounts=("home", "work"), first=False)
TIGHT = WIDE._replace(joins=Rate(burst=3, per_s=0.1))


def body(**changes):
    return {"code": CODE, "nonce": NONCE} | changes


async def test_a_code_is_answered_with_key_client_and_accounts(world):
    """Nothing else is in the answer, and nobody keeps it on the way."""
    world.enrolment.outcome = FIRST
    response = await world.join(body(name="box.example"))
    assert response.status == 200
    assert json.loads(response.content_bytes) == {
        "api_key": KEY.reveal(),
        "client": "box",
        "accounts": ["home", "work"],
    }
    assert response.headers["Cache-Control"] == "no-store"
    code, nonce, record = world.enrolment.asked[0]
    assert (code, nonce) == (CODE, NONCE)
    assert (record.action, record.peer, record.detail) == ("invite.used", "127.0.0.1", "host box.example")
    assert record.request_id == response.headers["X-Request-Id"]


async def test_every_refused_code_is_answered_alike(world):
    """Unknown, mistyped, no code at all, or an API key: one answer, byte by byte."""
    sent = [CODE, CODE[:-1], "cbi_x", "", "\u0000", KEY.reveal(), "é" * 44]
    answers = [await world.join(body(code=code)) for code in sent]
    assert {(answer.status, problem(answer)) for answer in answers} == {(401, "invalid_token")}
    assert len({answer.content_bytes for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        'Bearer realm="codex-broker", error="invalid_token"'
    }
    assert [code for code, _, _ in world.enrolment.asked] == [CODE]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"no JSON",
        b"[]",
        b"{",
        b"[" * 2000,
        b'{"code": 1, "nonce": "' + b"n" * 64 + b'"}',
        json.dumps({"code": CODE}).encode(),
        json.dumps({"nonce": NONCE}).encode(),
        json.dumps(body(nonce="short")).encode(),
        json.dumps(body(nonce="n" * 129)).encode(),
        json.dumps(body(nonce="n" * 63 + "\n")).encode(),
        json.dumps(body(name="a b")).encode(),
        json.dumps(body(name="n" * 65)).encode(),
        json.dumps(body(code="c" * 129)).encode(),
        b"\xff\xfe" + json.dumps(body()).encode("utf-16-le"),
    ],
    ids=range(15),
)
async def test_a_body_that_is_none_is_400(world, sent):
    """Nothing of what was sent is repeated, and nobody is asked."""
    response = await world.join(sent)
    assert (response.status, problem(response)) == (400, "invalid_request")
    assert CODE.encode() not in response.content_bytes
    assert world.enrolment.asked == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_foreign_page_could_make_a_browser_send_is_400(world, kind):
    """Only JSON that says so is taken, and for that a browser asks first, in vain."""
    response = await world.join(body(), Content_Type=kind, Origin="https://evil.example")
    assert (response.status, problem(response)) == (400, "invalid_request")
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


async def test_unknown_fields_are_passed_over(world):
    """A newer command may say more."""
    world.enrolment.outcome = FIRST
    assert (await world.join(body(later={"x": [1]}))).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_other_methods_are_405_with_the_one_there_is(world, method):
    """A code is sent, never asked for by its address."""
    response = await world.get("/join", method=method, key="")
    assert response.status == 405
    assert response.headers["Allow"] == "POST, OPTIONS"


async def test_options_says_the_method(world):
    """OPTIONS is 204, and lets no other origin in."""
    response = await world.get("/join", method="OPTIONS", key="", Origin="https://evil.example")
    assert (response.status, response.headers["Allow"]) == (204, "POST, OPTIONS")
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


async def test_a_body_of_unknown_length_is_read_up_to_its_bound(world):
    """In chunks it is as good as with a length, and as large at most."""
    world.enrolment.outcome = FIRST
    head = b"POST /join HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    for data, status in ((json.dumps(body()).encode(), b"200"), (b" " * 5000, b"413")):
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
        answer = await world.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        assert answer.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("length", [65_537, 10**12])
async def test_a_body_that_is_announced_too_large_is_not_read(world, length):
    """The answer comes before the first byte of it."""
    head = f"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    assert (await world.raw(head.encode())).startswith(b"HTTP/1.1 413 ")


async def test_who_waits_to_be_asked_for_the_body_is_asked(world):
    """Some libraries send it after ``100 Continue`` only."""
    world.enrolment.outcome = FIRST
    data = json.dumps(body()).encode()
    head = (
        "POST /join HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(data)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_code_that_makes_no_client_is_told_what_it_is_for(world):
    """Whoever has it is no guesser: the page where it counts is named."""
    world.enrolment.outcome = ConfigError("it approves device logins", hint="type it on the page")
    response = await world.join(body())
    assert (response.status, problem(response)) == (401, "invalid_token")
    detail = json.loads(response.content_bytes)["detail"]
    assert detail == "it approves device logins: type it on the page"


async def test_a_store_that_does_not_answer_is_503(world):
    """The machine comes back with the same nonce."""
    world.enrolment.outcome = Unavailable("the store is locked")
    response = await world.join(body())
    assert (response.status, problem(response)) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"


async def test_guessing_is_bounded_for_an_address():
    """After the burst comes 429 without a look at the code: a hit is answered like a miss."""
    world = World()
    async with running(world, limits=TIGHT):
        assert [(await world.join()).status for _ in range(3)] == [401] * 3
        world.enrolment.outcome = FIRST
        response = await world.join(body())
        assert (response.status, problem(response)) == (429, "rate_limited")
        assert response.headers["Retry-After"] == "10"
        assert len(world.enrolment.asked) == 3
        world.ticks += 10
        assert (await world.join(body())).status == 200


async def test_bodies_that_are_none_cost_as_much():
    """No kind of nonsense is a way around the bound."""
    world = World()
    async with running(world, limits=TIGHT):
        for sent in (b"{}", b"x" * 5000, b"[]"):
            assert (await world.join(sent)).status in (400, 413)
        assert (await world.join(body())).status == 429


async def test_a_team_behind_one_address_may_join_at_once():
    """Whoever brings a good code pays nothing; to be told again costs a try."""
    world = World()
    async with running(world, limits=TIGHT):
        world.enrolment.outcome = FIRST
        assert {(await world.join(body())).status for _ in range(20)} == {200}
        world.enrolment.outcome = AGAIN
        assert [(await world.join(body())).status for _ in range(4)] == [200, 200, 200, 429]


async def test_guesses_sent_at_once_do_not_slip_through():
    """Each is paid for before it is looked at."""
    world = World()
    async with running(world, limits=TIGHT):
        answers = await asyncio.gather(*(world.join() for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [401] * 3 + [429] * 17


async def test_many_addresses_together_are_bounded_too_and_readers_are_unharmed():
    """A flood from everywhere stops joining, and nothing else."""
    world = World()
    world.account()
    world.client()
    limits = Limits(WIDE.failures, WIDE.reads, joins=WIDE.joins, all_joins=Rate(burst=5, per_s=1.0))
    async with running(world, limits=limits, behind_proxy=[ip_network("127.0.0.0/8")]):
        guesses = [await world.join(X_Forwarded_For=f"10.0.0.{number}") for number in range(10)]
        assert [answer.status for answer in guesses] == [401] * 5 + [429] * 5
        assert {(await world.get()).status for _ in range(20)} == {200}


async def test_the_request_line_has_the_client_and_no_secret(world):
    """Neither code, nonce nor key is in what is logged."""
    world.enrolment.outcome = FIRST
    await world.join(body())
    line = world.lines[-1]
    assert (line.method, line.route, line.client, line.status) == ("POST", "/join", "box", 200)
    for secret in (CODE, NONCE, KEY.reveal()):
        assert secret not in repr(world.lines)


async def test_a_code_in_a_header_goes_nowhere(world):
    """A code sent as request id is not taken over into answer, log and trail."""
    response = await world.join(body(), X_Request_Id=CODE)
    assert CODE not in str(response.headers)
    assert Secret(CODE).reveal() not in repr(world.lines)
