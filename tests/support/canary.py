"""Finds secrets where they do not belong: in bytes, files, file names, and other processes' environments.

A secret is looked for in pieces of sixteen characters, so that a cut-off one is found too, and in
every form in which a program might write it down. What tokens have in common (a JWT's header and
claims, an API key's public id) is no piece: it tells nothing.
"""

import json
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

__all__ = ["FORMS", "Hit", "Scanner", "files_below", "pieces_of", "processes_at", "processes_of"]

_PIECE = 16
_STEP = 8
_BLOCK = 8
_LARGEST = 64 << 20


def _aligned(encode: Callable[[bytes], bytes]) -> Callable[[str], Iterator[bytes]]:
    """Return what base64 makes of a text at each of the three places where it can stand."""

    def forms(text: str) -> Iterator[bytes]:
        raw = text.encode()
        for before in range(3):
            encoded = encode(bytes(before) + raw)
            start, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encoded[start:end]

    return forms


def _each(template: str) -> Callable[[str], Iterator[bytes]]:
    """Return a text with every byte written out, with small and with capital hex digits."""

    def forms(text: str) -> Iterator[bytes]:
        for digits in ("02x", "02X"):
            yield "".join(template.format(format(byte, digits)) for byte in text.encode()).encode()

    return forms


FORMS: dict[str, Callable[[str], Iterable[bytes]]] = {
    "plain": lambda text: [text.encode()],
    "utf-16": lambda text: [text.encode("utf-16-le"), text.encode("utf-16-be")],
    "latin-1": lambda text: [text.encode("latin-1", "replace")],
    "hex": _each("{}"),
    "spaced hex": _each("{} "),
    "base64": _aligned(b64encode),
    "base64url": _aligned(urlsafe_b64encode),
    "every byte percent-encoded": _each("%{}"),
    "URL-encoded": lambda text: [
        form(text, safe=safe).encode() for form in (quote, quote_plus) for safe in ("", "/")
    ],
    "JSON": lambda text: [json.dumps(text, ensure_ascii=flag)[1:-1].encode() for flag in (True, False)],
    "every character JSON-escaped": lambda text: [
        "".join(rf"\u{ord(char):04x}" for char in text).encode(),
        "".join(rf"\u{ord(char):04X}" for char in text).encode(),
    ],
    "repr": lambda text: [repr(text)[1:-1].encode(), repr(text.encode())[2:-1].encode()],
    "HTML": lambda text: [escape(text).encode()],
}
"""Every way to write a text down, by name."""


def pieces_of(text: str) -> list[str]:
    """Return the pieces by which a secret is known."""
    if text.count(".") == 2 and text.startswith("eyJ"):
        text = text.rpartition(".")[2]
    elif text.startswith(("cbk_", "cbr_", "cbi_")):
        text = text.split("_", 2)[2]
    last = max(len(text) - _PIECE, 0)
    return [text[start : start + _PIECE] for start in sorted({*range(0, last, _STEP), last})]


@dataclass(frozen=True, order=True)
class Hit:
    """A secret that was found: which, where and how it was written; never the secret itself."""

    name: str
    where: str
    form: str


class Scanner:
    """Knows secrets by name and finds them.

    Every needle is at least fifteen bytes long, so wherever it stands it covers one whole aligned
    block of eight: only the blocks that some needle could cover are looked at closer.
    """

    def __init__(self) -> None:
        self._needles: dict[bytes, tuple[str, str]] = {}
        self._blocks: dict[bytes, set[bytes]] = {}

    def add(self, name: str, secret: str) -> None:
        """Look for a secret from now on; a name may stand for several."""
        assert len(secret) >= _PIECE, f"{name} is too short to be told from other text"
        for piece in pieces_of(secret):
            for form, write in FORMS.items():
                for needle in write(piece):
                    self._add(needle, name, form)

    def add_bytes(self, name: str, secret: bytes) -> None:
        """Look for a binary key: as it is, in hex and in base64."""
        self._add(secret, name, "plain")
        self._add(secret.hex().encode(), name, "hex")
        self._add(secret.hex().upper().encode(), name, "hex")
        self._add(b64encode(secret).rstrip(b"="), name, "base64")

    def _add(self, needle: bytes, name: str, form: str) -> None:
        assert len(needle) >= 2 * _BLOCK - 1
        if needle not in self._needles:
            self._needles[needle] = (name, form)
            for start in range(_BLOCK):
                self._blocks.setdefault(needle[start : start + _BLOCK], set()).add(needle)

    def in_bytes(self, data: bytes, where: str) -> set[Hit]:
        """Return what stands in some bytes."""
        blocks = {data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)}
        near = set().union(*(self._blocks[block] for block in blocks & self._blocks.keys()))
        found = (self._needles[needle] for needle in near if needle in data)
        return {Hit(name, where, form) for name, form in found}

    def in_text(self, text: str, where: str) -> set[Hit]:
        """Return what stands in a program's output."""
        return self.in_bytes(text.encode("utf-8", "surrogateescape"), where)

    def among(self, pieces: Iterable[tuple[str, bytes]]) -> set[Hit]:
        """Return what stands in pairs of place and content, such as :func:`files_below` gives."""
        return {hit for where, data in pieces for hit in self.in_bytes(data, where)}


def files_below(root: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file below a directory with its path from there; a name is content, too."""
    for directory, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(directory, name)
            where = str(path.relative_to(root))
            yield f"the name {where!r}", os.fsencode(name)
            if name in files and path.is_file() and not path.is_symlink():
                with suppress(FileNotFoundError):  # removed while the programs go on
                    assert path.stat().st_size <= _LARGEST, f"{path} is too large to look through"
                    yield where, path.read_bytes()


def processes_at(home: Path) -> Iterator[tuple[str, bytes]]:
    """Give command line and environment of every process that has this home directory.

    Each is called by the program's name with ``cmdline`` or ``environ``.
    """
    for pid, environ in processes_of(home).items():
        with suppress(FileNotFoundError, ProcessLookupError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            yield f"{program_of(command)} cmdline", command
            yield f"{program_of(command)} environ", environ


def processes_of(home: Path) -> dict[int, bytes]:
    """Return the environment of each process that has this home directory, by pid."""
    mark = b"HOME=" + os.fsencode(home)
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environ = (entry / "environ").read_bytes()
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
            if mark in environ.split(b"\0"):
                found[int(entry.name)] = environ
    return found


def program_of(command: bytes) -> str:
    """Return a short name for a command line: the module or program that it runs."""
    words = [word.decode("utf-8", "replace") for word in command.split(b"\0") if word]
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return next((Path(word).name for word in words[1:] if not word.startswith("-")), "")
