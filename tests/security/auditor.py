"""A process that writes to the audit trail as fast as it can, by both ways, and says what is durable.

Run as ``python -m tests.security.auditor URL KEY_FILE FIRST [POINT]``: to be killed at any instant, or
to die by itself at a point such as ``before advance 7``: the seventh call of that method of the head
file. Prints ``number`` for each record that was acknowledged.
"""

import asyncio
import os
import sys
from pathlib import Path

from broker.domain.records import AuditRecord
from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from broker.store.audit_writer import AuditWriter
from broker.store.headfile import HeadFile
from broker.store.store import Store
from tests.support.records import NOW, a_login

__all__ = ["record"]


def record(number: int) -> AuditRecord:
    """Return the record of a number; its ``detail`` is that number."""
    return AuditRecord(NOW, "token.served", detail=str(number))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _arm(point: str) -> None:
    when, name, count = point.split(" ")
    left = int(count)
    method = getattr(HeadFile, name)

    def dies(*values: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if when == "before" and left == 0:
            os._exit(137)
        result = method(*values, **named)
        if left == 0:
            os._exit(137)
        return result

    setattr(HeadFile, name, dies)


async def _write(url: str, key_file: str, first: int) -> None:
    store = await Store.open(url, Seal(load_keyring(Path(key_file))))
    writer = AuditWriter(url, store.trail)

    async def served(start: int) -> None:
        for number in range(start, start + 100_000, 4):
            await writer.record(record(number))
            _say(number)

    async def changed(start: int) -> None:
        word = str(start)
        account = await store.add_account(f"a{word}", a_login(word, account_id=word), record(start))
        for number in range(start + 4, start + 100_000, 4):
            await store.set_flags(account.id, record(number), disabled=number % 8 == 0)
            _say(number)

    await asyncio.gather(served(first), served(first + 1), served(first + 2), changed(first + 3))


if __name__ == "__main__":
    if len(sys.argv) > 4:
        _arm(sys.argv[4])
    asyncio.run(_write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
