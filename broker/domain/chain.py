"""The audit trail as chains: how a record is bound to all records before it.

A chain is what one home wrote, in order: record 0 says why it begins and what was there before, the
records after it count on by one. Each carries ``mac[n] = HMAC(key, mac[n-1] || chain || n || every
field)``, so whoever lacks the key can neither change, drop, move nor insert one without breaking a
link. What a chain cannot show by itself is that its end is missing: its head, (chain, number, mac),
is kept outside the store (:mod:`broker.store.headfile`), and a chain that begins later names the
heads of all others.

Records of the time before there were chains have the empty name and no mac; the first chain's record
0 holds their number and the mac that they would end with as a chain.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from struct import pack
from typing import Any, NamedTuple

from broker.domain.records import AuditRecord

__all__ = ["OLDER", "Entry", "Head", "Mac", "Reason", "Start", "extend", "link", "parse_start"]

OLDER = ""
"""The name under which records lie that were written before there were chains."""

_FIELDS = len(AuditRecord._fields)
_NUMBERS = f">qd{_FIELDS}I"
_BLOCK = 64


class Head(NamedTuple):
    """The newest record of a chain: whoever knows it knows how long the chain is."""

    chain: str
    seq: int
    mac: bytes


class Entry(NamedTuple):
    """A record in its place."""

    chain: str
    seq: int
    record: AuditRecord
    mac: bytes

    def row(self) -> tuple[Any, ...]:
        """Return its columns in the table's order."""
        return (self.chain, self.seq, *self.record, self.mac)


class Mac:
    """HMAC-SHA256 (RFC 2104) under one key; a third faster than :func:`hmac.digest` for short texts.

    Args:
        key: at most 64 bytes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, data: bytes) -> bytes:
        """Return the 32 bytes for a text."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def link(mac: Mac, before: bytes, chain: str, seq: int, record: AuditRecord) -> bytes:
    """Return the mac of a record: every field with its length, so that no two records read alike.

    Args:
        mac: under the trail's key.
        before: the mac of the record before it; empty for record 0.
        chain: the chain's name.
        seq: the record's number.
        record: the record.

    Raises:
        UnicodeError: a text that no encoding can write.
    """
    at, *texts = record
    parts = [text.encode() for text in (chain, *texts)]
    return mac(before + pack(_NUMBERS, seq, at, *map(len, parts)) + b"".join(parts))


def extend(mac: Mac, head: Head, records: Iterable[AuditRecord]) -> list[Entry]:
    """Return records as the next entries after a head; raises UnicodeError as :func:`link`."""
    chain, seq, before = head
    entries = []
    for record in records:
        seq += 1
        before = link(mac, before, chain, seq, record)
        entries.append(Entry(chain, seq, record, before))
    return entries


class Reason(StrEnum):
    """Why a chain begins."""

    NEW = "new"
    """The store is new."""
    UPGRADED = "upgraded"
    """There were records, but no chains yet."""
    HOME = "home"
    """This home has not written to this store before."""
    RESTORED = "restored"
    """``codex-broker restore`` put the store there."""
    BEHIND = "behind"
    """The store lacked records that this home's head file knew of."""
    HEAD_MISSING = "head_missing"
    """This home had written before, and its head file was gone."""
    HEAD_FORGED = "head_forged"
    """The head file held what this store's key had not written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What record 0 says: why the chain begins, and what was there at that instant."""

    reason: str
    """One of :class:`Reason`."""
    home: str
    """Host and path of the home."""
    revision: int
    """The store's change counter."""
    others: tuple[Head, ...] = ()
    """The heads of all other chains."""
    older: Head | None = None
    """Number and closing mac of the records without a chain, where this is the first chain."""
    lost: Head | None = None
    """What the home's head file said before, where the store did not come up to it."""

    def to_detail(self) -> str:
        """Return it as the record's ``detail``."""
        document = {
            "reason": self.reason,
            "home": self.home,
            "revision": self.revision,
            "others": [_listed(head) for head in self.others],
            "older": self.older and _listed(self.older),
            "lost": self.lost and _listed(self.lost),
        }
        return json.dumps(document, separators=(",", ":"))


def parse_start(detail: str) -> Start | None:
    """Return what a record 0 says, or ``None`` where it is no such text."""
    try:
        document = json.loads(detail)
        return Start(
            reason=str(document["reason"]),
            home=str(document["home"]),
            revision=int(document["revision"]),
            others=tuple(_head(values) for values in document["others"]),
            older=document["older"] and _head(document["older"]),
            lost=document["lost"] and _head(document["lost"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _listed(head: Head) -> list[str | int]:
    return [head.chain, head.seq, head.mac.hex()]


def _head(values: Sequence[Any]) -> Head:
    chain, seq, mac = values
    return Head(str(chain), int(seq), bytes.fromhex(mac))
