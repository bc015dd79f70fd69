"""``python -m tests.crash.cells``: runs one cell of the fail-point tables after the other.

A server without threads that has loaded everything, so that a process for each cell costs a fork
and no start-up. A line of JSON on stdin is a cell; a line on stdout is what became of it. Every
cell has a process that meets the fault and, for the broker, a second one that is the clean restart.
"""

import asyncio
import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from broker.domain.account import State
from broker.seal.box import Seal
from broker.seal.keyring import Keyring
from broker.store.store import Store
from fetchtoken.codex import refresh_process
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.oauth.journal import Phase
from fetchtoken.oauth.spawn import encode_frame
from tests.support.failpoints import Flight, arm
from tests.support.issuer import Issuer
from tests.support.wait import until
from tests.unit.refresh.conftest import World

__all__ = ["main"]

_MOVING = (State.REFRESHING, State.REPLAYING)


def main() -> None:
    """Serve cells until stdin ends."""
    base = Path(sys.argv[1])
    keys = Keyring.new(os.urandom, "test")
    template = base / "template.db"
    asyncio.run(_make(template, keys))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line), template, keys)) + "\n")
        sys.stdout.flush()


def _run(cell: dict[str, Any], template: Path, keys: Keyring) -> dict[str, Any]:
    directory = Path(cell["directory"])
    if "job" in cell:
        _in_fork(directory, "code", lambda: _refresh_file(cell))
        return {}
    shutil.copy(template, directory / "broker.db")
    _in_fork(directory, "live", lambda: asyncio.run(_faulted(cell, directory, keys)))
    _in_fork(directory, "row", lambda: asyncio.run(_restarted(cell, directory, keys)))
    return {name: _read(directory / name) for name in ("live", "row")}


def _in_fork(directory: Path, name: str, work: Callable[[], Any]) -> None:
    """Do work in a process of its own and keep what it returns, if it gets that far, and what it says."""
    pid = os.fork()
    if pid == 0:
        log = os.open(directory / f"{name}.log", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            (directory / name).write_text(json.dumps(work()))
        except BaseException:  # noqa: BLE001 - told in the log; the cell has no result
            traceback.print_exc()
        os._exit(0)
    os.waitpid(pid, 0)


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


async def _make(path: Path, keys: Keyring) -> None:
    store = await Store.open(f"sqlite:///{path}", Seal(keys))
    await store.close()


async def _world(cell: dict[str, Any], directory: Path, keys: Keyring) -> World:
    store = await Store.open(f"sqlite:///{directory}/broker.db", Seal(keys))
    return World(Issuer(*cell["issuer"]), store, keys, directory)


async def _faulted(cell: dict[str, Any], directory: Path, keys: Keyring) -> dict[str, Any]:
    """Have a daemon refresh an account and meet the fault; return what it has in memory at the end."""
    world = await _world(cell, directory, keys)
    account = await world.add()
    (directory / "login").write_text(world.logins["work"].login_id)
    task = world.coordinator.start(account, reason="forced", now=True)
    landed = threading.Event()
    task.add_done_callback(lambda _: landed.set())
    flight = Flight(asyncio.get_running_loop(), task, landed)
    arm(cell["point"], cell["when"], cell["fault"], flight)
    with suppress(FetchTokenError, OSError, RuntimeError, asyncio.CancelledError):
        await task
    await until(lambda: not any(thread.name == "exchange" for thread in threading.enumerate()))

    await _settled(world)
    # The daemon's own loop follows the store like this, as other processes write to it too.
    world.roster.apply(await world.store.changes(world.roster.revision))
    held = world.roster.account("work")
    assert held is not None
    return {"state": held.state, "generation": held.generation}


async def _restarted(cell: dict[str, Any], directory: Path, keys: Keyring) -> dict[str, Any]:
    """Be the next daemon of this home, and return the account's row once nothing moves any more."""
    world = await _world(cell, directory, keys)
    await world.load()
    await _settled(world)
    # What a killed parent's process still holds is dealt with when it is free.
    await until(
        lambda: all(world.journals.look(name).phase is not Phase.HELD for name in world.journals.attempts())
    )
    await world.recovery.sweep()
    row = await world.row()
    return {
        "state": row.state,
        "generation": row.generation,
        "refresh_token": row.refresh_token.reveal() if row.refresh_token else "",
        "journals": world.journals.attempts(),
    }


async def _settled(world: World) -> None:
    """Look as the scheduler does every second, until no attempt is under way."""
    async with asyncio.timeout(30):
        await world.recovery.look()
        while (await world.row()).state in _MOVING:
            await asyncio.sleep(0.01)
            await world.recovery.look()


def _refresh_file(cell: dict[str, Any]) -> int:
    """Be the local source's exchange process, with a point armed."""
    request, frame = os.pipe()
    os.write(frame, encode_frame(cell["job"]))
    os.close(frame)
    os.dup2(request, 0)
    arm(cell["point"], cell["when"], cell["fault"])
    return refresh_process.main()


if __name__ == "__main__":
    main()
