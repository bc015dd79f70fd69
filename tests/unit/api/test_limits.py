"""Limits: the bucket itself, guessing at keys, reading too much, healthy callers beside a guesser."""

import os
import random
from contextlib import suppress

import pytest

from broker.access.gate import DEFAULT_LIMITS, Gate, Limits
from broker.access.limits import Buckets, Rate
from broker.access.recent import Recent
from broker.access.refused import Refused
from broker.domain.apikey import new_key
from tests.unit.api.world import WIDE, World, problem, running

TIGHT = Limits(failures=Rate(burst=3, per_s=0.1), reads=Rate(burst=1000, per_s=1.0))


def test_a_bucket_gives_its_burst_then_its_rate():
    """Five at once, then one every two seconds, and never more than the burst."""
    buckets = Buckets(Rate(burst=5, per_s=0.5))
    assert [buckets.take("a", 100.0) for _ in range(6)] == [0, 0, 0, 0, 0, 2.0]
    assert buckets.wait_s("a", 101.0) == 1.0
    assert buckets.take("a", 102.0) == 0
    assert buckets.take("a", 102.0) == 2.0
    assert [buckets.take("a", 10_000.0) for _ in range(6)][-2:] == [0, 2.0]


def test_a_refused_taking_costs_nothing():
    """Asking in vain does not push the end further away."""
    buckets = Buckets(Rate(burst=1, per_s=1.0))
    buckets.take("a", 0.0)
    for tenth in range(10):
        assert buckets.take("a", tenth / 10) > 0
    assert buckets.take("a", 1.0) == 0


def test_keys_do_not_share_a_bucket():
    """What one used up, the other still has."""
    buckets = Buckets(Rate(burst=1, per_s=1.0))
    assert buckets.take("a", 0.0) == 0
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.0) == 1.0


def test_what_is_given_back_counts_and_never_beyond_the_burst():
    """Who paid in vain has as much as before, and nobody gets more than all."""
    buckets = Buckets(Rate(burst=2, per_s=0.1))
    buckets.take("a", 0.0)
    buckets.take("a", 0.0)
    buckets.give("a", 0.0)
    assert [buckets.take("a", 0.0) for _ in range(2)] == [0, 10.0]
    buckets.give("b", 0.0)
    assert [buckets.take("b", 0.0) for _ in range(3)] == [0, 0, 10.0]


def test_a_clock_that_steps_back_gives_nothing():
    """Time that did not pass refills nothing."""
    buckets = Buckets(Rate(burst=1, per_s=1.0))
    buckets.take("a", 100.0)
    assert buckets.take("a", 0.0) == 1.0


def test_memory_is_bounded_and_no_debt_is_forgotten_under_a_flood():
    """A flood of keys cannot make an old debt go away: newcomers share what is left."""
    buckets = Buckets(Rate(burst=2, per_s=0.01), most=100)
    for _ in range(2):
        buckets.take("guesser", 0.0)
    for number in range(10_000):
        buckets.take(f"flood {number}", 1.0)
    assert len(buckets) == 100
    assert buckets.take("guesser", 1.0) > 0
    assert buckets.take("newcomer", 1.0) > 0, "fails closed"
    assert buckets.take("newcomer", 500.0) == 0, "and opens again when debts are paid"


def test_no_key_ever_gets_more_than_burst_plus_rate():
    """Over random times and keys, with room for few of them, the bound holds for each."""
    chance = random.Random(7)
    buckets = Buckets(Rate(burst=4, per_s=2.0), most=3)
    now, given = 0.0, {}
    for _ in range(20_000):
        now += chance.random() / 20
        key = str(chance.randrange(8))
        if buckets.take(key, now) == 0:
            given[key] = given.get(key, 0) + 1
    assert all(count <= 4 + 2.0 * now for count in given.values())
    assert sum(given.values()) > 1000


def test_recent_forgets_by_age_and_by_number():
    """What is too old, or pushed out, counts as never seen."""
    recent = Recent(10.0, most=2)
    recent.add("a", 0.0)
    assert recent.has("a", 9.9)
    assert not recent.has("a", 10.0)
    recent.add("a", 20.0)
    recent.add("b", 20.0)
    recent.add("a", 21.0)
    recent.add("c", 21.0)
    assert [recent.has(text, 21.0) for text in "abc"] == [True, False, True]
    assert len(recent) == 2


def wrong_key(world=None, client=None):
    """Return a well-formed key that is not ours; with a client, one with its key id."""
    key = new_key("cbk", os.urandom).text.reveal()
    if client is None:
        return key
    from fetchtoken.domain.keytext import checksum

    body = f"cbk_{world.keys[client].key_id}_{key[16:59]}"
    return body + checksum(body)


async def test_guessing_is_bounded_for_an_address():
    """After the burst comes 429 with Retry-After, then one more try for each refill."""
    world = World()
    async with running(world, limits=TIGHT):
        answers = [await world.get(key=wrong_key()) for _ in range(10)]
        assert [answer.status for answer in answers] == [401] * 3 + [429] * 7
        assert problem(answers[-1]) == "rate_limited"
        assert answers[-1].headers["Retry-After"] == "10"
        world.ticks += 10
        assert [(await world.get(key=wrong_key())).status for _ in range(2)] == [401, 429]


async def test_every_kind_of_refused_key_counts():
    """Missing, malformed, expired and revoked keys use up the same budget."""
    world = World()
    world.account()
    revoked = world.client("revoked", revoked_at=1.0)
    async with running(world, limits=TIGHT):
        for headers in ({"key": ""}, {"key": "nonsense"}, {"key": revoked}):
            assert (await world.get(**headers)).status == 401
        assert (await world.get(key="")).status == 429


async def test_the_same_refused_key_costs_each_time():
    """A program that goes on with a dead key is limited as one that guesses."""
    world = World()
    world.account()
    revoked = world.client("revoked", revoked_at=1.0)
    async with running(world, limits=TIGHT):
        assert [(await world.get(key=revoked)).status for _ in range(4)] == [401] * 3 + [429]


async def test_another_secret_for_the_same_key_id_is_a_guess():
    """What is remembered of a refused key is the whole of it."""
    world = World()
    world.client()
    async with running(world, limits=TIGHT):
        guesses = [(await world.get(key=wrong_key(world, "laptop"))).status for _ in range(5)]
    assert guesses == [401] * 3 + [429] * 2


def test_whatever_a_flood_brings_the_gate_stays_small():
    """Each of its structures is bounded, and none keeps a key or what could be made one."""
    gate = Gate(Limits(failures=Rate(burst=1, per_s=0.001), reads=Rate(burst=1, per_s=0.001)))
    for number in range(25_000):
        address, key = f"192.0.{number // 256}.{number % 256}", f"key-{number}"
        shown = f"secret-{number}"
        with suppress(Refused):
            trial = gate.trial(address, key, 1.0, machine_credential=shown if number % 2 else None)
            if number % 3:
                gate.passed(trial, 1.0)
            else:
                gate.failed(trial, 1.0, shown=shown)
        with suppress(Refused):
            gate.attempt(address, 1.0)
    sizes = {name: len(held) for name, held in vars(gate).items() if hasattr(held, "__len__")}
    assert len(sizes) >= 6
    assert max(sizes.values()) == 10_000
    assert "secret-" not in repr([vars(held) for held in vars(gate).values() if hasattr(held, "__dict__")])


async def test_a_limited_address_learns_nothing_even_from_a_valid_key():
    """A key that was never good from there is not looked at: a hit answers like a miss."""
    world = World()
    world.account()
    valid = world.client()
    async with running(world, limits=TIGHT):
        for _ in range(3):
            await world.get(key=wrong_key())
        miss, hit = await world.get(key=wrong_key()), await world.get(key=valid)
        assert miss.status == hit.status == 429
        assert miss.content_bytes == hit.content_bytes
        assert miss.headers["Retry-After"] == hit.headers["Retry-After"]
        world.ticks += 10
        assert (await world.get(key=valid)).status == 200


async def test_a_caller_known_from_that_address_is_unharmed_by_a_guesser_beside_it():
    """A machine behind the same address goes on, for as long as it was good there lately."""
    world = World()
    world.account()
    valid = world.client()
    async with running(world, limits=TIGHT):
        assert (await world.get(key=valid)).status == 200
        for _ in range(20):
            await world.get(key=wrong_key())
            assert (await world.get(key=valid)).status == 200
        world.ticks += 3599
        for _ in range(5):
            await world.get(key=wrong_key())
        assert (await world.get(key=valid)).status == 200
        world.ticks += 3600
        for _ in range(5):
            await world.get(key=wrong_key())
        assert (await world.get(key=valid)).status == 429


async def test_guessing_at_a_known_key_id_is_bounded_too():
    """The exception for known callers has a budget of its own; beyond it nothing is looked at."""
    world = World()
    world.account()
    valid = world.client()
    async with running(world, limits=TIGHT):
        assert (await world.get(key=valid)).status == 200
        guesses = [(await world.get(key=wrong_key(world, "laptop"))).status for _ in range(6)]
        assert guesses == [401] * 3 + [429] * 3
        assert (await world.get(key=valid)).status == 429, "fails closed"
        world.ticks += 10
        assert (await world.get(key=valid)).status == 200


async def test_other_addresses_are_unharmed_by_a_guesser():
    """The budget belongs to the address that the trusted proxy names."""
    from ipaddress import ip_network

    world = World()
    world.account()
    world.client()
    async with running(world, limits=TIGHT, behind_proxy=[ip_network("127.0.0.0/8")]):
        for _ in range(9):
            await world.get(key=wrong_key(), X_Forwarded_For="203.0.113.9")
        assert (await world.get(X_Forwarded_For="203.0.113.9")).status == 429
        assert (await world.get(X_Forwarded_For="203.0.113.10")).status == 200


async def test_a_caller_cannot_choose_its_address():
    """Without a trusted proxy X-Forwarded-For counts for nothing."""
    world = World()
    async with running(world, limits=TIGHT):
        statuses = [
            (await world.get(key=wrong_key(), X_Forwarded_For=f"203.0.113.{n}")).status for n in range(5)
        ]
        assert statuses == [401] * 3 + [429] * 2


async def test_a_host_with_a_whole_ipv6_network_is_one_address():
    """Changing the lower 64 bits does not bring new budgets."""
    from ipaddress import ip_network

    world = World()
    async with running(world, limits=TIGHT, behind_proxy=[ip_network("127.0.0.0/8")]):
        statuses = [
            (await world.get(key=wrong_key(), X_Forwarded_For=f"2001:db8::{n}:1")).status for n in range(5)
        ]
        assert statuses == [401] * 3 + [429] * 2
        assert (await world.get(key=wrong_key(), X_Forwarded_For="2001:db8:0:1::1")).status == 401


@pytest.mark.parametrize("path", ["/codex", "/v1/whoami", "/v1/accounts"])
async def test_reads_of_one_client_are_bounded_and_others_go_on(path):
    """A runaway job is held back; the next client is not."""
    world = World()
    world.account()
    world.client()
    other = world.client("other")
    async with running(world, limits=WIDE._replace(reads=Rate(burst=2, per_s=0.5))):
        answers = [await world.get(path) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert problem(answers[-1]) == "rate_limited"
        assert answers[-1].headers["Retry-After"] == "2"
        assert (await world.get(path, key=other)).status == 200
        world.ticks += 2
        assert (await world.get(path)).status == 200


async def test_health_is_not_limited():
    """Probes need no key and have no budget."""
    world = World()
    async with running(world, limits=TIGHT):
        for _ in range(10):
            await world.get(key=wrong_key())
            assert (await world.get("/healthz", key="")).status == 200


def test_the_default_limits_leave_room_for_a_burst_of_jobs():
    """Five hundred jobs with one key may start at once; guesses are twenty a minute."""
    assert DEFAULT_LIMITS.reads.burst >= 500
    assert DEFAULT_LIMITS.failures.burst <= 20
    assert DEFAULT_LIMITS.failures.per_s * 60 <= 20
