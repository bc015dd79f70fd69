"""Operations on the master keys: list them, put a new one in force, seal everything anew, retire the old.

A change of key is several operations, none of which lasts, in an order that no crash can break:
``key_rotate`` makes the new key durable and puts it in force, ``key_rewrap`` seals some rows anew until
none is left, ``key_retire`` takes out of the key file what nothing names any more. Stopped anywhere,
``key_rotate`` goes on with the change that was begun.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from broker.admin.desk import Desk
from broker.admin.keyholders import find_holders
from broker.admin.wire import Actor
from broker.domain.audit import Action
from broker.seal.keychange import check_changeable, keys_in_force, replace_key_file
from broker.seal.keyring import Keyring
from broker.store.rewrap import boxes_by_key, is_any_left, rewrap_some
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["KeyOperations"]

_STEPS = 5
"""Transactions in one operation: it holds other administrative commands up for a moment only."""


class KeyOperations:
    """List, rotate, rewrap, retire.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def key_list(self, actor: Actor) -> list[dict[str, Any]]:  # noqa: ARG002 - all operations take one
        """Return every key that is held or needed, the current one first."""
        ring = self._ring
        async with self._desk.store.database.read() as connection:
            holders = await find_holders(connection, self._desk.store.keys, self._desk.journals)
        named = ring.ids | holders.boxes.keys() | holders.attempts.keys()
        age = {key_id: ring.since(key_id) or 0.0 for key_id in named}
        order = sorted(named, key=lambda key_id: (key_id != ring.current, -age[key_id], key_id))
        return [
            {
                "key_id": key_id,
                "current": key_id == ring.current,
                "in_key_file": key_id in ring.ids,
                "since": None if ring.since(key_id) is None else to_rfc3339(age[key_id]),
                "boxes": holders.boxes[key_id],
                "journal_files": len(holders.attempts.get(key_id, ())),
                "needed_by": [] if key_id == ring.current else holders.needs(key_id),
            }
            for key_id in order
        ]

    async def key_rotate(self, actor: Actor) -> dict[str, Any]:
        """Put a new key in force, or go on with a change that was interrupted.

        Returns:
            The current key, whether it is new, its file, and how many boxes are under others.

        Raises:
            ConfigError: the key file cannot be written, or is not the one that this broker works with.
            NotFound, Unsafe, Malformed: the key file cannot be read.
        """
        ring, path = self._ring, Path(self._ring.source)
        check_changeable(path)
        target = await asyncio.to_thread(keys_in_force, ring)
        is_new = target.current == ring.current and not await self._is_any_left()
        if is_new:
            target = target.and_new(os.urandom, self._desk.clock())
            await self._note(Action.KEY_ROTATING, actor, f"key {target.current} after {ring.current}")
        await asyncio.to_thread(replace_key_file, path, target)
        ring.take(target)
        # Who sealed under the former key has committed before this transaction begins.
        async with self._desk.store.database.write() as connection:
            boxes = await boxes_by_key(connection)
        return {
            "key_id": ring.current,
            "new": is_new,
            "key_file": str(path),
            "boxes": boxes.total() - boxes[ring.current],
        }

    async def key_rewrap(self, actor: Actor, after: str = "") -> dict[str, Any]:  # noqa: ARG002 - same
        """Seal the next boxes anew under the current key.

        Args:
            actor: who asks.
            after: where the last call ended; empty to begin.

        Returns:
            Where to go on (empty at the end), how many were sealed anew, and which do not open.
        """
        store, done, closed = self._desk.store, 0, list[str]()
        for _ in range(_STEPS):
            step = await rewrap_some(store.database, store.keys.seal, after)
            after = step.after
            done += step.rewrapped
            closed += step.closed
            if not after:
                break
        return {"after": after, "rewrapped": done, "damaged": closed}

    async def key_retire(self, actor: Actor) -> dict[str, Any]:
        """Take every former key that nothing names any more out of key file and memory.

        Returns:
            The ids retired, and for each key that stays what needs it, and whether that passes soon.

        Raises:
            ConfigError: the key file cannot be written.
            Unsafe: a journal file cannot be read; no key is retired.
        """
        ring, desk = self._ring, self._desk
        path = Path(ring.source)
        check_changeable(path)
        target = await asyncio.to_thread(keys_in_force, ring)
        # In a write transaction nobody is sealing anything meanwhile.
        async with desk.store.database.write() as connection:
            trail = desk.store.trail.within(connection)
            holders = await find_holders(connection, desk.store.keys, desk.journals)
            former = sorted(target.ids - {ring.current, target.current})
            retired = [key_id for key_id in former if not holders.needs(key_id)]
            if retired:
                await trail.append(desk.record(Action.KEY_RETIRED, actor, detail="key " + ", ".join(retired)))
        trail.committed()
        if retired:
            target = target.without(frozenset(retired))
            await asyncio.to_thread(replace_key_file, path, target)
            ring.take(target)
        flying = desk.coordinator.flying
        return {
            "retired": retired,
            "kept": [
                {
                    "key_id": key_id,
                    "needed_by": holders.needs(key_id),
                    "passing": await holders.are_passing(key_id, flying),
                }
                for key_id in former
                if key_id not in retired
            ],
        }

    @property
    def _ring(self) -> Keyring:
        """The keys that seal and journals work with: one ring."""
        return self._desk.store.keys.seal.keys

    async def _is_any_left(self) -> bool:
        store = self._desk.store
        return await is_any_left(store.database, store.keys.seal)

    async def _note(self, action: Action, actor: Actor, detail: str) -> None:
        store = self._desk.store
        async with store.database.write() as connection:
            trail = store.trail.within(connection)
            await trail.append(self._desk.record(action, actor, detail=detail))
        trail.committed()
