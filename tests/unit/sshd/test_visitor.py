"""Limits of connections, with a real SSH client in this process: keys tried, places, time."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import asyncssh
import pytest

from broker.access.gate import Limits
from broker.access.limits import Rate
from broker.domain.account import State
from broker.ops.hostkey import load_host_key, make_host_key
from broker.sshd import server, visitor
from broker.sshd.server import open_door
from fetchtoken.domain.errors import Unavailable
from tests.support.wait import until
from tests.unit.api.world import NOW, WIDE, World
from tests.unit.sshd.conftest import door_of

TIGHT = Limits(failures=Rate(burst=3, per_s=0.1), reads=Rate(1000, 1.0))
DEAD = {"expires_at": int(NOW) - 1, "state": State.ACTIVE}


class Scene:
    """An open door, and keys to try."""

    def __init__(self, world, opened, sock):
        self.world = world
        self.opened = opened
        self.port = sock.getsockname()[1]
        self.good = asyncssh.generate_private_key("ssh-ed25519")
        world.account()
        world.client(ssh_keys=frozenset({self.good.get_fingerprint()}))

    def connect(self, *keys, **more):
        known = {"known_hosts": None, "config": None, "agent_path": None, "username": "x"}
        return asyncssh.connect("127.0.0.1", self.port, client_keys=list(keys), **(known | more))

    async def gets_in(self, *keys):
        """Tell whether one of the keys, shown in this order, opens the door."""
        try:
            async with self.connect(*keys):
                return True
        except (asyncssh.DisconnectError, OSError):
            return False

    async def wrong(self, count=1):
        """Show wrong keys, each in a connection of its own."""
        return [await self.gets_in(new_key()) for _ in range(count)]


def new_key():
    return asyncssh.generate_private_key("ssh-ed25519")


@asynccontextmanager
async def scene_of(tmp_path, limits=WIDE):
    make_host_key(tmp_path / "key")
    world = World()
    sock = socket.create_server(("127.0.0.1", 0))
    opened = await open_door(door_of(world, limits), sock, load_host_key(tmp_path / "key"))
    try:
        yield Scene(world, opened, sock)
    finally:
        await opened.close(within_s=1)
        await until(lambda: not opened._house.visitors)


@pytest.fixture
async def scene(tmp_path):
    async with scene_of(tmp_path) as scene:
        yield scene


async def test_guessing_is_bounded_for_an_address(tmp_path):
    """After the burst no key is looked at any more, not even a good one, until time has passed."""
    async with scene_of(tmp_path, TIGHT) as scene:
        assert await scene.wrong(3) == [False] * 3
        assert not await scene.gets_in(scene.good)
        scene.world.ticks += 10
        assert await scene.gets_in(scene.good)


async def test_a_limited_caller_is_told_when_to_come_again(tmp_path):
    """The words come before anybody is known, and are the same for every key."""
    heard = []

    class Client(asyncssh.SSHClient):
        def auth_banner_received(self, msg, lang):  # noqa: ARG002 - the library's hook
            heard.append(msg)

    async with scene_of(tmp_path, TIGHT) as scene:
        await scene.wrong(3)
        for key in (scene.good, new_key()):
            with pytest.raises(asyncssh.PermissionDenied):
                await scene.connect(key, client_factory=Client)
    assert heard == ["codex-broker: too many refused keys from this address; try again in 10 s\n"] * 2


async def test_an_agent_that_shows_other_keys_first_pays_nothing(tmp_path):
    """A connection that ends with a good key costs nothing, however often it is made."""
    async with scene_of(tmp_path, TIGHT) as scene:
        others = [new_key() for _ in range(5)]
        for _ in range(6):
            assert await scene.gets_in(*others, scene.good)


async def test_a_caller_known_from_that_address_is_unharmed_by_a_guesser_beside_it(tmp_path):
    """Who was good there lately is let in; nobody else is."""
    async with scene_of(tmp_path, TIGHT) as scene:
        assert await scene.gets_in(scene.good)
        await scene.wrong(5)
        assert await scene.gets_in(scene.good)
        scene.world.ticks += 3600
        await scene.wrong(4)
        assert not await scene.gets_in(scene.good)


async def test_revoked_and_expired_clients_cost_what_wrong_keys_cost(tmp_path):
    """Their keys are refused, and count."""
    async with scene_of(tmp_path, TIGHT) as scene:
        keys = {"ssh_keys": frozenset({scene.good.get_fingerprint()})}
        scene.world.client(**keys, revoked_at=NOW)
        assert not await scene.gets_in(scene.good)
        scene.world.client(**keys, expires_at=NOW)
        assert [await scene.gets_in(scene.good) for _ in range(2)] == [False] * 2
        scene.world.client(**keys)
        assert not await scene.gets_in(scene.good), "the address has used up its failures"


async def test_a_connection_may_not_show_any_number_of_keys(scene):
    """After so many it is ended, and the good one behind them is never seen."""
    many = [new_key() for _ in range(visitor._MOST_OFFERS)]
    assert await scene.gets_in(*many[2:], scene.good), "it is offered, and then proved"
    assert not await scene.gets_in(*many, scene.good)


async def test_a_connection_holds_a_few_commands_at_once(scene):
    """More sessions than a person needs are refused; places come back."""
    async with scene.connect(scene.good) as connection:
        scene.world.account(**DEAD)
        scene.world.coordinator.outcome = asyncio.Event()
        held = [await connection.create_process("token") for _ in range(visitor._MOST_SESSIONS)]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("token")
        event, scene.world.coordinator.outcome = scene.world.coordinator.outcome, Unavailable("down")
        event.set()
        assert {(await process.wait()).exit_status for process in held} == {5}
        assert (await connection.run("whoami")).exit_status == 0


async def test_places_are_bounded_and_come_back(scene):
    """Whoever comes when all places are taken is turned away at once; a place that is left is free."""
    scene.opened._house.crowd._most_each = 2
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(scene.connect(scene.good))
        assert not await scene.gets_in(scene.good)
    await until(lambda: not scene.opened._house.visitors)
    assert await scene.gets_in(scene.good)


async def test_an_idle_connection_is_ended(scene, monkeypatch):
    """Nobody keeps a place for nothing; a command that takes longer is not cut."""
    monkeypatch.setattr(visitor, "_IDLE_S", 0.2)
    scene.world.account(**DEAD)
    scene.world.coordinator.outcome = event = asyncio.Event()
    async with scene.connect(scene.good) as connection:
        process = await connection.create_process("token")
        await until(lambda: scene.opened._house.work)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(process.wait())), 0.5)
        scene.world.coordinator.outcome = Unavailable("down")
        event.set()
        assert (await process.wait()).exit_status == 5
        await asyncio.wait_for(connection.wait_closed(), 30)


async def test_who_does_not_prove_anything_is_sent_away(tmp_path, monkeypatch):
    """A connection that stays silent is ended after the grace time."""
    monkeypatch.setattr(server, "_LOGIN_WITHIN_S", 0.2)
    async with scene_of(tmp_path) as scene:
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
        got = await asyncio.wait_for(reader.read(), 30)
        assert got.startswith(b"SSH-2.0-codex-broker\r\n")
        writer.close()


async def test_the_end_waits_for_a_command_and_begins_none(scene):
    """A caller who waits gets its answer; a command that comes meanwhile is told to come again."""
    scene.world.account(**DEAD)
    scene.world.coordinator.outcome = event = asyncio.Event()
    async with scene.connect(scene.good) as connection:
        process = await connection.create_process("token")
        await until(lambda: scene.opened._house.work)
        ending = asyncio.ensure_future(scene.opened.close(within_s=30))
        await until(lambda: scene.opened._house.is_closing)
        refused = await connection.run("whoami")
        assert (refused.exit_status, refused.stderr.splitlines()[0]) == (
            5,
            "codex-broker: the broker is stopping",
        )
        assert not ending.done()
        scene.world.coordinator.outcome = Unavailable("down")
        event.set()
        assert (await process.wait()).exit_status == 5
        await ending
        await asyncio.wait_for(connection.wait_closed(), 30)


async def test_a_command_that_takes_too_long_does_not_hold_up_the_end(scene):
    """After the limit the connection is ended; the exchange goes on by itself."""
    scene.world.account(**DEAD)
    scene.world.coordinator.outcome = asyncio.Event()
    async with scene.connect(scene.good) as connection:
        await connection.create_process("token")
        await until(lambda: scene.opened._house.work)
        await scene.opened.close(within_s=0.01)
        await asyncio.wait_for(connection.wait_closed(), 30)
    await until(lambda: not scene.opened._house.work)


async def test_a_caller_who_hangs_up_frees_everything(scene):
    """Visitor, sessions and places are gone, whatever was going on."""
    house = scene.opened._house
    scene.world.account(**DEAD)
    scene.world.coordinator.outcome = event = asyncio.Event()
    async with scene.connect(scene.good) as connection:
        await connection.create_process("token")
        await until(lambda: house.work)
        connection.abort()
    await until(lambda: not house.visitors)
    scene.world.coordinator.outcome = Unavailable("down")
    event.set()
    await until(lambda: not house.work)
    assert house.is_quiet.is_set()
    assert not house.crowd._inside


async def test_no_variable_of_a_caller_is_kept(scene):
    """The library would keep any number of them for as long as the session lasts."""
    kept = []

    class Spy(visitor.Session):
        def session_started(self):
            kept.append(dict(self._channel.get_environment()))
            super().session_started()

    visitor.Session, held = Spy, visitor.Session
    try:
        async with scene.connect(scene.good) as connection:
            ran = await connection.run("whoami", env={"CODEX_ACCOUNT": "nobody", "LANG": "C"})
    finally:
        visitor.Session = held
    assert ran.exit_status == 0
    assert kept == [{}]
