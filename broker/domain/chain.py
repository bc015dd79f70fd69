"""The audit trail as chains: how a record is bound to all records before it.

A chain is what one home wrote, in order: record 0 says why it begins and what was there before, the
records after it count on by one. Each carries ``mac[n] = MAC(key, mac[n-1] || n || chain || every
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
from hashlib import blake2b
from struct import pack
from typing import Any, NamedTuple

from broker.domain.records import AuditRecord

__all__ = [
    "ALARMS",
    "OLDER",
    "Entry",
    "Head",
    "Mac",
    "Reason",
    "Row",
    "Start",
    "extend",
    "link",
    "parse_start",
]

OLDER = ""
"""The name under which records lie that were written before there were chains."""


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


Row = tuple[Any, ...]
"""An entry as the table has it: chain, number, the record's fields in order, mac."""


class Mac:
    """Keyed BLAKE2b of 32 bytes (RFC 7693): a third of the time of an HMAC, which every token waits for.

    Args:
        key: at most 64 bytes.
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=32)

    def __call__(self, data: bytes) -> bytes:
        """Return the mac of a text."""
        keyed = self._keyed.copy()
        keyed.update(data)
        return keyed.digest()


def link(mac: Mac, before: bytes, chain: str, seq: int, record: AuditRecord) -> bytes:
    """Return the mac of a record: every field, written so that no two records read alike.

    Args:
        mac: under the trail's key.
        before: the mac of the record before it; empty for record 0.
        chain: the chain's name.
        seq: the record's number.
        record: the record.

    Raises:
        UnicodeError: a text that no encoding can write.
    """
    return mac(before + pack(">qd", seq, record[0]) + _joined((chain, *record[1:])))


def extend(mac: Mac, head: Head, records: Iterable[AuditRecord]) -> tuple[list[Row], Head]:
    """Return records as the rows after a head, and the new head; raises UnicodeError as :func:`link`."""
    chain, seq, before = head
    rows = []
    for record in records:
        seq += 1
        before = link(mac, before, chain, seq, record)
        rows.append((chain, seq, *record, before))
    return rows, Head(chain, seq, before)


def _joined(texts: Sequence[str]) -> bytes:
    joined = "\0".join(texts)
    if joined.count("\0") < len(texts):
        return joined.encode()
    # One of them holds the separator: lengths instead, behind a byte with which no UTF-8 begins.
    parts = [text.encode() for text in texts]
    return b"\xff" + pack(f">{len(parts)}I", *map(len, parts)) + b"".join(parts)


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
    ERASED = "erased"
    """Chains had been begun here, and not one was left."""


ALARMS = frozenset({Reason.BEHIND, Reason.HEAD_MISSING, Reason.HEAD_FORGED, Reason.ERASED})
"""Reasons that tell of tampering, or of a store that was put back."""


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
