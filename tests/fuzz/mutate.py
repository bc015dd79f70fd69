"""Makes odd input of good input: bytes turned, cut, doubled, spliced; JSON members changed, lost, nested."""

import json
from copy import deepcopy
from random import Random
from typing import Any

__all__ = ["mutated"]

TOKENS = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}" * 3,
    b"[" * 40,
    b",",
    b":",
    b"null",
    b"NaN",
    b"1e999",
    b"-0",
    b"9" * 400,
    b"\r\n",
    b"\r\n\r\n",
    b"\n\t ",
    b".",
    b"=",
    b"%00",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"ffffffffffffffff\r\n",
    "ü€\u2028\u202e".encode(),
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    10**11,
    10**14,
    10**30,
    0.5,
    1e300,
    float("inf"),
    "",
    " ",
    "\x00",
    "\ud800",
    "ü",
    "x" * 3000,
    "a\nb",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:60+23:59",
    "2026-08-20T10:11:12.123456789Z",
    "1790000000000",
    "..",
    "e30.e30.e30",
    "cbr_x",
    [],
    {},
    [[]],
    [None, {}],
    {"type": "oauth"},
    {"type": "codex"},
    {"x": {"y": {"z": []}}},
)
KEYS = (
    "tokens",
    "type",
    "openai",
    "accounts",
    "auth_mode",
    "access_token",
    "refreshToken",
    "codexAuthJson",
    "",
)
_LONGEST = 200_000


def mutated(seeds: list[bytes], chance: Random) -> bytes:
    """Return an odd child of one or two of the seeds.

    Args:
        seeds: good and bad input of one parser.
        chance: decides everything.
    """
    data = chance.choice(seeds)
    if chance.random() < 0.5 and (changed := _json(data, chance)) is not None:
        data = changed
        if chance.random() < 0.6:
            return data
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        data = _bytes(data, seeds, chance)
    return data[:_LONGEST]


def _bytes(data: bytes, seeds: list[bytes], chance: Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 64, 1000)))
    kind = chance.randrange(7)
    if kind == 0:
        return data[:start] + chance.choice(TOKENS) + data[start:]
    if kind == 1:
        return data[:start] + chance.choice(TOKENS) + data[end:]
    if kind == 2:
        return data[:start] + data[end:]
    if kind == 3:
        return data[:end] + data[start:]
    if kind == 4:
        return data[:start]
    if kind == 5:
        other = chance.choice(seeds)
        return data[:start] + other[chance.randrange(len(other) + 1) :]
    turned = bytearray(data)
    for place in range(start, end):
        turned[place] ^= 1 << chance.randrange(8)
    return bytes(turned)


def _json(data: bytes, chance: Random) -> bytes | None:
    """Change a few members of a JSON document; ``None`` where it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, (dict, list)):
        return None
    for _ in range(chance.choice((1, 1, 2, 4))):
        _member(document, chance)
    return json.dumps(document).replace("Infinity", "1e999").encode()


def _member(holder: Any, chance: Random) -> None:
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = deepcopy(chance.choice(VALUES))
            return
        key = chance.choice(keys)
        if not isinstance(holder[key], (dict, list)) or chance.random() < 0.3:
            break
        holder = holder[key]
    kind = chance.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[chance.choice(KEYS)] = holder.pop(key)
    elif kind == 2 and isinstance(holder[key], str):
        holder[key] = _text(holder[key], chance)
    else:
        holder[key] = deepcopy(chance.choice(VALUES))


def _text(text: str, chance: Random) -> str:
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((0, 1, 5, 50)))
    return text[:start] + chance.choice(("", ".", "=", "\ud800", "\n", "é", "AAAA", " ")) + text[end:]
