"""When a token is served, when it is awaited, and what is said when it cannot leave."""

import asyncio
import json

import pytest

from broker.access import tokens as token_module
from broker.domain.account import State
from broker.domain.records import AuditRecord
from fetchtoken.domain.errors import LoginRequired, Unavailable
from fetchtoken.domain.secret import Secret
from tests.unit.api.world import DAY, NOW, jwt, make_account, problem

ALIVE, SHORT, EXPIRED = int(NOW) + DAY, int(NOW) + 360, int(NOW) + 359


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("extra", [{}, {"restored": True}, {"refresh_token": Secret("")}, {"failures": 9}])
async def test_a_living_token_is_served_in_every_state(world, state, extra):
    """Only the life of the token counts, down to 360 s, whatever became of the login."""
    world.account(state=state, expires_at=SHORT, **extra)
    response = await world.get()
    assert response.status == 200
    assert json.loads(response.content_bytes)["expires_in"] == 360
    assert world.coordinator.asked == []


@pytest.mark.parametrize("state", list(State))
async def test_a_disabled_account_is_refused_in_every_state(world, state):
    """Disabled is 403, however long the token would live."""
    world.account(state=state, disabled=True)
    response = await world.get()
    assert (response.status, problem(response)) == (403, "account_disabled")
    assert world.audit.records == []


@pytest.mark.parametrize(
    ("left_s", "min_valid", "status"),
    [
        (360, "", 200),
        (359, "", 503),
        (360, "?min_valid=0", 200),
        (360, "?min_valid=360", 200),
        (360, "?min_valid=361", 503),
        (600, "?min_valid=600", 200),
        (599, "?min_valid=600", 503),
        (864_000, "?min_valid=864000", 200),
        (600, "?min_valid=%36%30%30", 200),
        (600, "?other=1&min_valid=000600", 200),
    ],
)
async def test_the_least_life_is_360_or_what_is_asked_for(world, left_s, min_valid, status):
    """The bound is max(360, min_valid), to the second."""
    world.account(expires_at=int(NOW) + left_s)
    assert (await world.get("/codex" + min_valid)).status == status
    assert (await world.get("/codex/work1" + min_valid)).status == status


@pytest.mark.parametrize(
    "query",
    [
        "-1",
        "864001",
        "1e3",
        "6.0",
        "",
        "abc",
        "+600",
        "%20600",
        "0x10",
        "%D9%A6",
        "9" * 3000,
        "1&min_valid=1",
        "600&min_valid=601",
    ],
)
async def test_a_min_valid_that_is_no_such_number_is_400(world, query):
    """Only one plain decimal number from 0 to 864000 is a demand."""
    response = await world.get(f"/codex?min_valid={query}")
    assert (response.status, problem(response)) == (400, "invalid_request")


async def test_a_caller_s_demand_never_causes_an_exchange(world):
    """A token that lives, but not for min_valid, is refused at once."""
    world.account(expires_at=int(NOW) + 400)
    response = await world.get("/codex?min_valid=401")
    assert (response.status, problem(response)) == (503, "token_expiring")
    assert world.coordinator.asked == []


DEAD = {"expires_at": EXPIRED}
WEAK = {"expires_at": SHORT}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        # sealed comes first, whatever else is wrong
        ({"sealed": True, "access_token": Secret(""), "refresh_token": Secret("")}, "sealed"),
        ({**DEAD, "sealed": True, "state": State.LOGIN_REQUIRED}, "sealed"),
        # then what needs a person
        ({**DEAD, "state": State.LOGIN_REQUIRED}, "login_required"),
        ({**WEAK, "state": State.LOGIN_REQUIRED}, "login_required"),
        ({**DEAD, "refresh_token": Secret("")}, "login_required"),
        # then what cannot be renewed now
        ({**DEAD, "state": State.IN_DOUBT}, "unavailable"),
        ({**WEAK, "state": State.IN_DOUBT}, "unavailable"),
        ({**DEAD, "state": State.REPLAYING}, "unavailable"),
        ({**DEAD, "state": State.ACTIVE}, "unavailable"),
        ({**DEAD, "state": State.REFRESHING}, "unavailable"),
        ({**DEAD, "adopting": True}, "unavailable"),
        ({"access_token": Secret(""), "expires_at": None}, "unavailable"),
        # then a life that is only too short for this caller
        ({**WEAK, "state": State.ACTIVE}, "token_expiring"),
        ({**WEAK, "state": State.REFRESHING}, "token_expiring"),
    ],
)
async def test_the_first_reason_that_applies_is_said(world, changes, code):
    """503 says sealed, login_required, unavailable or token_expiring, in that order."""
    world.account(**changes)
    response = await world.get("/codex?min_valid=361")
    assert (response.status, problem(response)) == (503, code)
    assert world.audit.records == []


@pytest.mark.parametrize(
    ("changes", "query", "retry_after"),
    [
        ({**DEAD, "not_before_s": NOW + 120}, "", "120"),
        ({**DEAD, "not_before_s": NOW - 9}, "", "5"),
        ({**DEAD, "not_before_s": NOW + DAY}, "", "3600"),
        # of a clock that was ahead
        ({**DEAD, "not_before_s": NOW + 10 * DAY}, "", "5"),
        ({**DEAD, "state": State.IN_DOUBT}, "", "60"),
        ({**DEAD, "state": State.LOGIN_REQUIRED}, "", None),
        ({"expires_at": int(NOW) + 500, "refresh_after": NOW + 100}, "?min_valid=600", "100"),
        ({"expires_at": int(NOW) + 500, "refresh_after": NOW - 100}, "?min_valid=600", "5"),
        ({"expires_at": int(NOW) + DAY, "refresh_after": NOW + DAY / 2}, "?min_valid=100000", None),
        ({"expires_at": int(NOW) + 500, "issued_at": int(NOW) - 50}, "?min_valid=600", None),
    ],
)
async def test_retry_after_is_said_where_waiting_helps(world, changes, query, retry_after):
    """It is the end of the back-off or the time of the next exchange; none where neither helps."""
    world.account(**changes)
    response = await world.get("/codex" + query)
    assert response.status == 503
    assert response.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize("state", [State.ACTIVE, State.REFRESHING])
async def test_an_expired_token_is_renewed_while_the_caller_waits(world, state):
    """The coordinator is asked once, and its new token is the answer."""
    world.account(state=state, **DEAD)
    fresh = jwt(exp=ALIVE, iat=int(NOW))
    world.coordinator.outcome = make_account(
        access_token=Secret(fresh), expires_at=ALIVE, generation=4, revision=9
    )
    response = await world.get("/codex?min_valid=600")
    assert response.status == 200
    assert json.loads(response.content_bytes)["access_token"] == fresh
    assert world.coordinator.asked == [(1, "request")]


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.REPLAYING, State.LOGIN_REQUIRED])
async def test_nobody_waits_where_no_exchange_can_come(world, state):
    """In these states the answer is at once."""
    world.account(state=state, **DEAD)
    assert (await world.get()).status == 503
    assert world.coordinator.asked == []


@pytest.mark.parametrize("error", [Unavailable("issuer down"), RuntimeError("a bug"), TimeoutError()])
async def test_a_failed_exchange_is_unavailable(world, error):
    """Whatever went wrong there, the caller is told to come back."""
    world.account(**DEAD)
    world.coordinator.outcome = error
    response = await world.get()
    assert (response.status, problem(response)) == (503, "unavailable")


async def test_an_exchange_that_was_refused_is_login_required(world):
    """What the coordinator left in the roster decides."""
    world.account(**DEAD)

    async def refused(account, **_reason):
        world.account(account, state=State.LOGIN_REQUIRED, **DEAD)
        raise LoginRequired("refused")

    world.coordinator.ensure = refused
    assert problem(await world.get()) == "login_required"


async def test_nobody_waits_longer_than_the_limit_and_the_exchange_goes_on(world, monkeypatch):
    """After the limit the caller gets 503; only its waiting was cancelled."""
    assert token_module._LONGEST_WAIT_S == 10.0
    monkeypatch.setattr(token_module, "_LONGEST_WAIT_S", 0.01)
    world.account(**DEAD)
    world.coordinator.outcome = asyncio.Event()
    response = await world.get()
    assert (response.status, problem(response)) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"


async def test_what_changed_while_waiting_is_asked_again(world):
    """A client revoked, or an account disabled, during the exchange gets no token."""
    fresh = {"access_token": Secret(jwt(exp=ALIVE)), "expires_at": ALIVE}
    for change, status in (
        (lambda: world.client(revoked_at=NOW), 401),
        (lambda: world.client(accounts=frozenset()), 403),
        (lambda: world.roster.drop_client(1), 401),
    ):
        world.roster.__init__()
        world.account(**DEAD)
        world.client()

        async def ensure(account, change=change, **_reason):
            change()
            return make_account(account, revision=9, **fresh)

        world.coordinator.ensure = ensure
        assert (await world.get()).status == status

    async def disabling(account, **_reason):
        return make_account(account, revision=9, disabled=True, **fresh)

    world.roster.__init__()
    world.account(**DEAD)
    world.client()
    world.coordinator.ensure = disabling
    assert problem(await world.get()) == "account_disabled"
    assert world.audit.records == []


async def test_four_hundred_callers_share_one_wait(world):
    """All who ask for an expired token are served by the coordinator's one flight."""
    world.account(**DEAD)
    landed = asyncio.Event()
    arrived = []

    async def ensure(account, **_reason):
        arrived.append(account)
        if len(arrived) == 400:
            landed.set()
        await landed.wait()
        return make_account(account, access_token=Secret(jwt(exp=ALIVE)), expires_at=ALIVE, revision=9)

    world.coordinator.ensure = ensure
    answers = await asyncio.gather(*(world.get() for _ in range(400)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.content_bytes for answer in answers}) == 1
    assert len(world.audit.records) == 400


async def test_a_record_is_durable_before_a_token_leaves(world):
    """While the audit trail is writing, not one byte has come."""
    writing, written = asyncio.Event(), asyncio.Event()

    async def record(_record):
        writing.set()
        await written.wait()

    world.audit.record = record
    asking = asyncio.ensure_future(world.get())
    await asyncio.wait_for(writing.wait(), 30)
    assert not asking.done()
    written.set()
    assert (await asking).status == 200


async def test_the_record_says_who_got_what_from_where(world):
    """One record for each token: client, account, peer, request id."""
    await world.get("/codex/work1", X_Request_Id="job-7")
    await world.get(Accept="text/plain", X_Request_Id="job-8")
    assert world.audit.records == [
        AuditRecord(NOW, "token.served", "laptop", "work1", "127.0.0.1", "job-7", "ok", ""),
        AuditRecord(NOW, "token.served", "laptop", "work1", "127.0.0.1", "job-8", "ok", ""),
    ]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), Unavailable("stopped"), ValueError()]
)
@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
async def test_without_a_record_no_token_leaves(world, error, accept):
    """A trail that cannot be written is 503 unavailable, and the body holds no token."""
    world.audit.error = error
    response = await world.get(Accept=accept)
    assert (response.status, problem(response)) == (503, "unavailable")
    assert world.roster.account("work1").access_token.reveal().encode() not in response.content_bytes
    assert "ETag" not in response.headers
