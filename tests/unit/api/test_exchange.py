"""RFC 8693 at ``/oauth/token``: an API key brings a machine a credential, within the client's own rights."""

import json
import os
from datetime import datetime

import pytest

from broker.access.limits import Rate
from broker.domain.account import State
from broker.domain.apikey import new_key
from fetchtoken.domain.errors import ConfigError, Denied, NotFound, Unavailable
from tests.unit.api.world import DAY, NOW, WIDE, World, problem, running

TYPES = "urn:ietf:params:oauth:token-type:"
STRANGER = new_key("cbk", os.urandom).text.reveal()


def read(response):
    assert response.status == 200, response.content_bytes
    return json.loads(response.content_bytes)


@pytest.mark.parametrize("form", [True, False])
async def test_a_key_brings_a_credential_and_all_that_goes_with_it(world, form):
    """RFC 8693 §2.2.1: what was issued is no bearer, so its type is N_A; the token lies beside it."""
    response = await world.exchange(form=form)
    answer = read(response)
    token = answer.pop("token")
    credential = answer.pop("access_token")
    assert credential.startswith("cbr_")
    assert answer == {
        "issued_token_type": TYPES + "refresh_token",
        "token_type": "N_A",
        "expires_in": 30 * DAY,
        "expires_at": "2025-12-24T16:00:00Z",
        "scope": "token",
        "machine": 1,
    }
    assert token == json.loads((await world.get("/codex/work1")).content_bytes)
    assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")


async def test_the_credential_is_good_at_once(world):
    """It is the refresh token of that account, for whoever has just got it."""
    answer = read(await world.exchange())
    again = read(await world.refresh(answer["access_token"]))
    assert again["access_token"] == answer["token"]["access_token"]
    assert again["refresh_token"] == answer["access_token"]


async def test_the_broker_is_told_which_key_and_machine_it_was(world):
    """So that the credential ends with its key, and the machine's former one with the new one."""
    read(await world.exchange(machine_name="Build-7.example_x"))
    [(audit, wish)] = world.machines.made
    assert wish == {
        "client": 1,
        "account": 1,
        "name": "Build-7.example_x",
        "expires_at": NOW + 30 * DAY,
        "from_key": world.keys["laptop"].key_id,
    }
    assert (audit.action, audit.client, audit.account) == ("machine.added", "laptop", "work1")
    assert world.machines.uses == [(1, "work1", NOW)]


async def test_a_credential_does_not_outlive_its_client(world):
    """Thirty days, or less where the client ends before."""
    world.client(expires_at=NOW + 5 * DAY)
    answer = read(await world.exchange())
    assert answer["expires_in"] == 5 * DAY
    assert datetime.fromisoformat(answer["expires_at"]).timestamp() == NOW + 5 * DAY


async def test_without_an_audience_it_is_the_account_that_codex_would_be_given(world):
    """The only or default one; where neither decides, the account must be named."""
    world.account(2)
    assert read(await world.exchange(without=["audience"]))["token"]["account"] == "work1"
    world.client(accounts=frozenset({1, 2}), default_account=2)
    assert read(await world.exchange(without=["audience"]))["token"]["account"] == "work2"
    world.client(accounts=frozenset({1, 2}))
    assert problem(await world.exchange(without=["audience"])) == "account_required"


async def test_what_has_no_value_is_left_out(world):
    """RFC 6749 §3.2, as every form of a browser's would send it."""
    empty = dict.fromkeys(["audience", "requested_token_type", "scope", "resource", "actor_token"], "")
    assert read(await world.exchange(**empty))["token"]["account"] == "work1"


@pytest.mark.parametrize("name", ["audience", "resource", "scope", "actor_token", "requested_token_type"])
@pytest.mark.parametrize("value", [["work1"], {"a": "work1"}, 1, True])
async def test_a_list_of_wishes_is_not_passed_over(world, name, value):
    """Whoever asks for another account than he would get is told so; ``null`` asks for nothing."""
    response = await world.exchange(form=False, **{name: value})
    assert (response.status, problem(response)) == (400, "invalid_request")
    assert name in json.loads(response.content_bytes)["detail"]
    assert world.machines.made == []
    read(await world.exchange(form=False, **{name: None}))


async def test_the_requested_type_may_be_left_out(world):
    """RFC 8693 §2.1 leaves it to the server then, and there is only one."""
    read(await world.exchange(without=["requested_token_type"]))


async def test_a_token_leaves_with_a_record_and_not_without_one(world):
    """Where the trail cannot be written neither token nor credential leaves, and none is made."""
    response = await world.exchange()
    [record] = world.audit.records
    assert (record.action, record.client, record.account) == ("token.served", "laptop", "work1")
    assert record.detail == "machine box, for an API key"
    assert record.request_id == response.headers["X-Request-Id"]
    world.audit.error = OSError("full")
    assert problem(await world.exchange()) == "unavailable"
    assert len(world.machines.made) == 1


ILL = {
    "no key": ({"subject_token": ""}, "invalid_request"),
    "no type": ({"subject_token_type": ""}, "invalid_request"),
    "another type": ({"subject_token_type": TYPES + "jwt"}, "invalid_request"),
    "a bearer wanted": ({"requested_token_type": TYPES + "access_token"}, "invalid_request"),
    "an actor": ({"actor_token": "x"}, "invalid_request"),
    "a wider scope": ({"scope": "token admin"}, "invalid_request"),
    "a resource": ({"resource": "https://broker.example/codex/work1"}, "invalid_target"),
    "no account's name": ({"audience": "Work 1"}, "invalid_target"),
    "a reserved name": ({"audience": "device"}, "invalid_target"),
    "no machine": ({"machine_name": ""}, "invalid_request"),
    "a machine with a control character": ({"machine_name": "a\x1b[2J"}, "invalid_request"),
    "a machine beyond ASCII": ({"machine_name": "büro"}, "invalid_request"),
    "a machine with a long name": ({"machine_name": "a" * 65}, "invalid_request"),
}


@pytest.mark.parametrize(("fields", "code"), ILL.values(), ids=ILL)
async def test_what_is_not_asked_rightly_is_400_and_costs_nothing(world, fields, code):
    """Before the key is looked at: a mistake in a script must not lock its host out."""
    response = await world.exchange(STRANGER, **fields)
    assert (response.status, problem(response)) == (400, code)
    assert world.machines.made == world.audit.records == []


REFUSED = {
    "unknown": (STRANGER, {}, 401, "invalid_token", "invalid_request"),
    "no key at all": ("rt_somebody_elses", {}, 401, "invalid_token", "invalid_request"),
    "revoked": (None, {"revoked_at": NOW}, 401, "invalid_token", "invalid_request"),
    "expired": (None, {"expires_at": NOW}, 401, "invalid_token", "invalid_request"),
    "without scope": (None, {"scopes": frozenset({"admin"})}, 403, "insufficient_scope", "invalid_request"),
    "not granted": (None, {"accounts": frozenset()}, 403, "not_granted", "invalid_target"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_a_key_gets_no_more_than_at_codex(world, case):
    """The status and code of ``GET /codex``, with the word of RFC 8693 §2.2.2 beside it."""
    key, client, status, code, word = case
    world.client(**client)
    response = await world.exchange(key)
    assert (response.status, problem(response)) == (status, code)
    assert json.loads(response.content_bytes)["error"] == word
    assert response.status == (await world.get("/codex/work1", key=key)).status
    assert world.machines.made == []


async def test_a_machine_credential_is_no_subject(world):
    """It brings tokens of one account, and not another credential."""
    assert problem(await world.exchange(world.machine())) == "invalid_token"


@pytest.mark.parametrize(
    "changes",
    [{"state": State.LOGIN_REQUIRED}, {"state": State.IN_DOUBT}, {"state": State.ACTIVE}],
    ids=["login required", "in doubt", "expired"],
)
async def test_without_a_token_to_give_nothing_is_made(world, changes):
    """A machine keeps what it has, since what it would get were of no use yet."""
    world.account(expires_at=int(NOW), **changes)
    assert (await world.exchange()).status == 503
    assert world.machines.made == []


async def test_a_disabled_account_is_refused(world):
    """As everywhere."""
    world.account(disabled=True)
    assert problem(await world.exchange()) == "account_disabled"


FAILS = {
    "rotated meanwhile": (Denied("x", code="invalid_token"), 401, "invalid_token"),
    "too many": (ConfigError("x", code="too_many_machines"), 403, "too_many_machines"),
    "account removed": (NotFound("x"), 403, "not_granted"),
    "store locked": (Unavailable("x"), 503, "unavailable"),
}


@pytest.mark.parametrize(("error", "status", "code"), FAILS.values(), ids=FAILS)
async def test_what_cannot_be_made_is_said(world, error, status, code):
    """Each way in which the store refuses has its answer, and nothing leaves."""
    world.machines.error = error
    response = await world.exchange()
    assert (response.status, problem(response)) == (status, code)
    assert b"cbr_" not in response.content_bytes
    assert world.machines.uses == []


async def test_guessed_keys_cost_their_address_as_at_codex():
    """One budget for both ways: whoever guesses here is held off there, too."""
    world = World()
    world.account()
    world.client()
    async with running(world, limits=WIDE._replace(failures=Rate(burst=3, per_s=0.01))):
        for key in ("cbk_one", "cbk_two"):
            assert problem(await world.exchange(key)) == "invalid_token"
        assert problem(await world.get(key="cbk_one")) == "invalid_token"
        for response in (await world.exchange(STRANGER), await world.get(key=STRANGER)):
            assert problem(response) == "rate_limited"
            assert int(response.headers["Retry-After"]) > 0
        assert problem(await world.exchange()) == "rate_limited", "a key not seen from there before"


async def test_exchanges_are_bounded_for_each_client_and_reads_go_on():
    """A change to the store is dearer than a read; another client has a budget of its own."""
    world = World()
    world.account()
    world.client()
    other = world.client("other")
    async with running(world, limits=WIDE._replace(exchanges=Rate(burst=2, per_s=0.1))):
        for _ in range(2):
            read(await world.exchange())
        held_off = await world.exchange()
        assert (problem(held_off), held_off.headers["Retry-After"]) == ("rate_limited", "10")
        assert (await world.get()).status == 200
        read(await world.exchange(other))
        world.ticks += 10
        read(await world.exchange())


async def test_requests_count_as_reads():
    """The client's own limit holds here as at ``GET /codex``."""
    world = World()
    world.account()
    world.client()
    async with running(world, limits=WIDE._replace(reads=Rate(burst=1, per_s=0.01))):
        read(await world.exchange())
        assert problem(await world.exchange()) == "rate_limited"
        assert problem(await world.get()) == "rate_limited"


async def test_no_key_and_no_credential_is_written_anywhere(world):
    """Neither the request line nor the trail has a character of either."""
    answer = read(await world.exchange())
    await world.exchange(STRANGER)
    written = repr([*world.lines, *world.audit.records, *(audit for audit, _ in world.machines.made)])
    for secret in (world.keys["laptop"].text.reveal(), answer["access_token"], STRANGER):
        assert secret[4:] not in written
        assert secret[16:] not in written


async def test_a_key_in_the_url_is_not_taken(world):
    """Where it would be logged by everyone on the way."""
    response = await world.post(f"/oauth/token?subject_token={STRANGER}", {"grant_type": "x"})
    assert problem(response) == "unsupported_grant_type"
    assert STRANGER not in repr(world.lines)
