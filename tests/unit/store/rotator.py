"""A process that rotates one account as fast as it can and says each generation once it is kept.

Run as ``python -m tests.unit.store.rotator URL KEY_FILE``, to be killed at any instant.
"""

import asyncio
import sys
from pathlib import Path

from broker.domain.account import Event, State
from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from broker.store.store import Store
from tests.support.records import RECORD, a_login, tokens


def _say(what, word):
    sys.stdout.write(f"{what} {word}\n")
    sys.stdout.flush()


async def _rotate(url, key_file):
    store = await Store.open(url, Seal(load_keyring(Path(key_file))))
    account = await store.add_account("work", a_login(), RECORD)
    while True:
        word = str(account.generation + 1)
        armed = await store.arm(
            account, to=State.REFRESHING, attempt_id=word, journal_id="j", lease_s=90, audit=RECORD
        )
        _say("armed", word)
        account = await store.commit_tokens(armed, word, Event.TOKENS, tokens(word), RECORD)
        _say("kept", word)


if __name__ == "__main__":
    asyncio.run(_rotate(*sys.argv[1:]))
