"""Who gets in: every client by account by scope by expired by revoked, and every way to write a key."""

import itertools
import os

import pytest

from broker.api.models import AccountList, Whoami
from broker.domain.apikey import hash_key, new_key
from fetchtoken.domain.secret import Secret
from tests.unit.api.world import DAY, NOW, World, problem, running

SCOPES = [frozenset({"token"}), frozenset({"quota"}), frozenset({"admin"}), frozenset({"token", "admin"})]
GRANTS = [frozenset(), frozenset({1}), frozenset({2}), frozenset({1, 2}), frozenset({1, 3}), frozenset({9})]
EXPIRIES = [None, NOW + 1, NOW, NOW - DAY]
REVOKED = [None, NOW, NOW - DAY]
PATHS = ["/codex", "/codex/work1", "/codex/work2", "/codex/off3", "/codex/unknown"]


def expected(scopes, grants, expires_at, revoked_at, path):
    """Return the status that the contract gives, written down apart from the code under test."""
    if revoked_at is not None or (expires_at is not None and expires_at <= NOW):
        return 401, "invalid_token"
    if "token" not in scopes:
        return 403, "insufficient_scope"
    held = {"/codex/work1": 1, "/codex/work2": 2, "/codex/off3": 3, "/codex/unknown": None}
    if path == "/codex":
        if len(grants) > 1:
            return 400, "account_required"
        asked = next(iter(grants), None)
    else:
        asked = held[path]
    if asked not in grants or asked not in (1, 2, 3):
        return 403, "not_granted"
    return (403, "account_disabled") if asked == 3 else (200, "")


async def test_no_cell_lets_in_who_should_not_be():
    """Each client by account by scope by expired by revoked gets exactly what the contract says."""
    world = World()
    world.account(1)
    world.account(2)
    world.account(3, name="off3", disabled=True)
    async with running(world):
        cells = list(itertools.product(SCOPES, GRANTS, EXPIRIES, REVOKED))
        let_in = 0
        for scopes, grants, expires_at, revoked_at in cells:
            key = world.client(scopes=scopes, accounts=grants, expires_at=expires_at, revoked_at=revoked_at)
            for path in PATHS:
                before = len(world.audit.records)
                response = await world.get(path, key=key)
                code = "" if response.status == 200 else problem(response)
                cell = (scopes, grants, expires_at, revoked_at, path)
                assert (response.status, code) == expected(*cell), cell
                served = response.status == 200
                assert len(world.audit.records) == before + served, cell
                let_in += served
    assert len(cells) * len(PATHS) == 1440
    assert let_in == 2 * 2 * (2 + 2 + 2 + 1)


@pytest.mark.parametrize("default", [None, 1, 2, 3, 9])
async def test_the_default_account_counts_only_where_it_is_granted(world, default):
    """Several grants need a default among them; a single grant wins over a foreign default."""
    world.account(2)
    world.account(3)
    world.client(accounts=frozenset({1, 2}), default_account=default)
    response = await world.get()
    if default in (1, 2):
        assert response.status == 200
        assert f'"account":"work{default}"'.encode() in response.content_bytes
    else:
        assert (response.status, problem(response)) == (400, "account_required")
    world.client(accounts=frozenset({3}), default_account=default)
    assert b'"account":"work3"' in (await world.get()).content_bytes


async def test_a_refusal_does_not_tell_whether_an_account_exists(world):
    """An account that is not granted and one that is not there get the same bytes."""
    world.account(2)
    one, other = await world.get("/codex/work2"), await world.get("/codex/nobody")
    assert one.status == other.status == 403
    assert one.content_bytes == other.content_bytes


async def test_a_removed_account_is_not_granted(world):
    """A grant for an account that is gone leads nowhere."""
    world.roster.drop_account(1)
    assert problem(await world.get()) == "not_granted"


def spoiled_keys():
    """Return headers that hold no live key of ours, with what is wrong with them."""
    key = new_key("cbk", os.urandom).text.reveal()
    machine = new_key("cbr", os.urandom).text.reveal()
    return {
        "none": [],
        "empty": [""],
        "no scheme": [key],
        "basic": [f"Basic {key}"],
        "bearer alone": ["Bearer"],
        "bearer and space": ["Bearer "],
        "unknown": [f"Bearer {key}"],
        "machine credential": [f"Bearer {machine}"],
        "non-ASCII": ["Bearer clé".encode().decode("latin-1")],
        "long": ["Bearer " + "x" * 8000],
        "twice": [f"Bearer {key}", f"Bearer {key}"],
        "list": [f"Bearer {key}, Bearer {key}"],
        "jwt": ["Bearer eyJhbGciOiJub25lIn0.e30.c2ln"],
    }


@pytest.mark.parametrize("wrong", list(spoiled_keys()))
@pytest.mark.parametrize("path", ["/codex", "/codex/work1", "/v1/whoami", "/v1/accounts"])
async def test_without_a_live_key_there_is_one_answer(world, wrong, path):
    """Everything but a live key is 401 invalid_token with a challenge."""
    response = await world.get(path, key="", Authorization=spoiled_keys()[wrong])
    assert (response.status, problem(response)) == (401, "invalid_token")
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="codex-broker"')
    assert ('error="invalid_token"' in challenge) is (wrong != "none")
    assert world.coordinator.asked == []


async def test_unknown_expired_revoked_and_altered_keys_get_the_same_bytes(world):
    """Nothing in the answer tells one from the other."""
    unknown = new_key("cbk", os.urandom).text.reveal()
    expired = world.client("expired", expires_at=NOW)
    revoked = world.client("revoked", revoked_at=NOW - 1)
    altered = new_key("cbk", os.urandom)
    world.client("altered", key_hash=hash_key(altered, world.hash_key))
    altered = world.keys["altered"].text.reveal()
    answers = [await world.get(key=key) for key in (unknown, expired, revoked, altered)]
    seen = {(a.status, a.content_bytes, a.headers["WWW-Authenticate"]) for a in answers}
    assert len(seen) == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_knows_no_case(world, scheme):
    """RFC 9110 §11.1: the name of a scheme is case-insensitive."""
    key = world.client()
    assert (await world.get(key="", Authorization=f"{scheme} {key}")).status == 200
    assert (await world.get(key="", Authorization=f"{scheme}   {key}  ")).status == 200


async def test_two_credentials_are_none(world):
    """Which of two headers a proxy looked at cannot be known, so neither counts (RFC 6750 §2)."""
    key = world.client()
    for both in ([f"Bearer {key}", "Basic x"], [f"Bearer {key}", f"Bearer {key}"]):
        assert (await world.get(key="", Authorization=both)).status == 401


async def test_a_key_in_the_query_or_another_header_is_no_key(world):
    """A key belongs into Authorization, never into a URL."""
    key = world.client()
    assert (await world.get(f"/codex?access_token={key}&api_key={key}", key="")).status == 401
    assert (await world.get(key="", X_Api_Key=key, Cookie=f"key={key}")).status == 401


async def test_a_rotated_key_counts_at_once_and_the_old_one_does_not(world):
    """The roster decides on each request."""
    old = world.client()
    world.keys["laptop"] = new_key("cbk", os.urandom)
    new = world.client()
    assert (await world.get(key=old)).status == 401
    assert (await world.get(key=new)).status == 200


async def test_whoami_tells_the_client_and_its_grants(world):
    """Any live key may ask, whatever its scopes."""
    world.account(2)
    world.client(
        scopes=frozenset({"quota"}), accounts=frozenset({2, 1, 9}), default_account=2, expires_at=NOW + DAY
    )
    response = await world.get("/v1/whoami")
    assert response.status == 200
    assert Whoami.model_validate_json(response.content_bytes).model_dump(mode="json") == {
        "client": "laptop",
        "key_id": world.keys["laptop"].key_id,
        "scopes": ["quota"],
        "accounts": ["work1", "work2"],
        "default_account": "work2",
        "expires_at": "2025-11-25T16:00:00Z",
    }


async def test_accounts_tells_states_and_expiries_of_the_grants_only(world):
    """No token, no account of others."""
    world.account(2, disabled=True, refresh_token=Secret(""))
    world.account(3)
    world.client(scopes=frozenset({"quota"}), accounts=frozenset({1, 2}))
    response = await world.get("/v1/accounts")
    AccountList.model_validate_json(response.content_bytes)
    listed = (await response.json())["accounts"]
    assert [entry["account"] for entry in listed] == ["work1", "work2"]
    assert listed[1] == {
        "account": "work2",
        "account_id": "acct-2",
        "plan_type": "pro",
        "state": "active",
        "disabled": True,
        "expires_at": "2025-12-02T16:00:00Z",
        "refresh_after": None,
        "source": "adopt",
    }
    for secret in ("access_token", "id_token"):
        assert getattr(world.roster.account("work1"), secret).reveal().encode() not in response.content_bytes
    assert world.audit.records == []


async def test_scope_admin_sees_all_accounts_but_gets_no_token_by_it(world):
    """Admin is for looking after accounts, not for using them."""
    world.account(2)
    world.client(scopes=frozenset({"admin"}), accounts=frozenset())
    listed = (await (await world.get("/v1/accounts")).json())["accounts"]
    assert [entry["account"] for entry in listed] == ["work1", "work2"]
    assert problem(await world.get("/codex/work1")) == "insufficient_scope"
    world.client(scopes=frozenset({"admin", "token"}), accounts=frozenset())
    assert problem(await world.get("/codex/work1")) == "not_granted"


async def test_insufficient_scope_names_the_scope_that_is_missing(world):
    """RFC 6750 §3.1: the challenge tells which scope would do."""
    world.client(scopes=frozenset({"quota"}))
    response = await world.get()
    assert 'error="insufficient_scope", scope="token"' in response.headers["WWW-Authenticate"]
