"""SSH public keys as files hold them, and what ``ssh-keygen -l`` says of them."""

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["FINGERPRINT", "LINE", "line", "new_line", "rsa_line"]

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQ4yZdXS1Ha8GuY9QjQb1UXBgGYjz4q0bBpC6fEMP8f me@laptop"
FINGERPRINT = "SHA256:k2MWCv6q4cZPQ8SnrVZz6tIAumMuZJFTqnfykjHr9oQ"


def line(kind: str, *parts: bytes, inside: str = "") -> str:
    """Return a line of a kind whose blob consists of these strings (after the kind's name, or another)."""
    strings = (inside or kind).encode(), *parts
    blob = b"".join(len(part).to_bytes(4) + part for part in strings)
    return f"{kind} {b64encode(blob).decode()}"


def rsa_line(bits: int) -> str:
    """Return a line of an RSA key of so many bits."""
    modulus = (1 << (bits - 1)) | 1
    return line("ssh-rsa", b"\x01\x00\x01", b"\x00" + modulus.to_bytes((bits + 7) // 8))


def new_line() -> str:
    """Return a line of a new ed25519 key."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
