"""SSH public keys as OpenSSH writes them, and the fingerprint by which each is known. Pure.

::

    ssh-ed25519 AAAAC3Nza… someone@laptop        one a line, without options (sshd(8), AUTHORIZED_KEYS)

A key's blob is a sequence of strings, each after its length (RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4).
Only its fingerprint is kept: whoever connects shows the key and proves that it is theirs.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256

from fetchtoken.domain.errors import ConfigError

__all__ = ["fingerprint_of", "fingerprint_of_line", "parse_public_keys"]

_WEAKEST_RSA_BITS = 2048
_STRONGEST_RSA_BITS = 16_384
_MOST_KEYS = 20
_PARTS = {
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""The kinds that are taken, and how many strings follow the kind's name in a blob."""

_WRITE = "give the .pub file that ssh-keygen wrote"


def fingerprint_of(blob: bytes) -> str:
    """Return the fingerprint of a key's blob as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")


def fingerprint_of_line(line: str) -> str:
    """Return the fingerprint of a well-formed ``KIND BASE64 …``."""
    return fingerprint_of(b64decode(line.split()[1]))


def parse_public_keys(text: str, name: str) -> frozenset[str]:
    """Return the fingerprints of the keys in a text, one a line; comments and empty lines are skipped.

    Args:
        text: the content of a public key file.
        name: where it came from, for messages.

    Raises:
        ConfigError: there is no key, or a line is none that is strong enough; it is never repeated.
    """
    if "PRIVATE KEY-----" in text:
        raise ConfigError(f"{name} holds a private key", hint="give the public one, which ends in .pub")
    if text.startswith("---- BEGIN SSH2 PUBLIC KEY"):
        raise ConfigError(f"{name} is not in OpenSSH's format", hint=f"ssh-keygen -i -f {name}")
    found = set()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            found.add(_fingerprint(words, f"{name} line {number}"))
    if not found:
        raise ConfigError(f"{name} holds no SSH public key", hint=_WRITE)
    if len(found) > _MOST_KEYS:
        raise ConfigError(f"{name} holds more than {_MOST_KEYS} keys", hint="make a client for each machine")
    return frozenset(found)


def _fingerprint(words: list[str], where: str) -> str:
    kind, encoded = words[0], "".join(words[1:2])
    if kind == "ssh-dss":
        raise ConfigError(f"{where} is a DSA key, which is too weak", hint="ssh-keygen -t ed25519")
    if kind.endswith("-cert-v01@openssh.com"):
        raise ConfigError(f"{where} is a certificate", hint="give the key that it was made for")
    try:
        blob = b64decode(encoded, validate=True)
        parts = _strings(blob)
    except (Base64Error, ValueError):
        parts = []
    if kind not in _PARTS or parts[:1] != [kind.encode()] or len(parts) != 1 + _PARTS[kind]:
        raise ConfigError(f"{where} is no SSH public key that is taken here", hint=_WRITE)
    if kind == "ssh-rsa":
        bits = int.from_bytes(parts[2]).bit_length()
        if not _WEAKEST_RSA_BITS <= bits <= _STRONGEST_RSA_BITS:
            what = "too weak" if bits < _WEAKEST_RSA_BITS else "too large"
            raise ConfigError(f"{where} is an RSA key of {bits} bits, {what}", hint="ssh-keygen -t ed25519")
    return fingerprint_of(blob)


def _strings(blob: bytes) -> list[bytes]:
    """Return the strings that a blob consists of; raises ValueError where it does not."""
    found, at = [], 0
    while at < len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4])
        if at + 4 > len(blob) or end > len(blob):
            raise ValueError("cut")
        found.append(blob[at + 4 : end])
        at = end
    return found
