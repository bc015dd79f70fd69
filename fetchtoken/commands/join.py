"""``join``: an invite code becomes this machine's API key, whatever is interrupted on the way.

The order is what makes that true: the nonce is durable before the code is sent, the key before the
settings name its broker, and the nonce goes last. Stopped anywhere, the same command goes on: the
broker tells a code and a nonce that it knows the same again, for ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from fetchtoken.commands.asking import TIMEOUT_S
from fetchtoken.commands.join_answer import AGAIN, LARGEST, Joined, joined_of
from fetchtoken.domain.errors import ConfigError, Malformed, Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.keytext import id_of
from fetchtoken.domain.secret import Secret
from fetchtoken.net.client import request as http_request
from fetchtoken.net.errors import BadAnswer, NoAnswer, NotSent
from fetchtoken.net.pin import parse_pin, pinned_pem
from fetchtoken.net.url import Url, parse_url
from fetchtoken.settings import Settings
from fetchtoken.settings.apikey import origin_of
from fetchtoken.settings.cascade import FILE_NAME
from fetchtoken.settings.edit import set_value
from fetchtoken.settings.joined import Keep
from fetchtoken.settings.keys import url_value

__all__ = ["Change", "Enrolled", "check_code", "join"]

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Change:
    """One setting as it was written.

    Args:
        key: which one.
        value: the new text; empty where it was taken out.
        before: the old text, or an empty string.
    """

    __slots__ = ("before", "key", "value")

    def __init__(self, key: str, value: str, before: str) -> None:
        self.key = key
        self.value = value
        self.before = before


class Enrolled:
    """What was done.

    Attributes:
        joined: the broker's answer.
        origin: to which the key belongs.
        key_place: the file that holds it, or the keyring.
        path: the settings file.
        changes: what was changed there.
    """

    def __init__(self, joined: Joined, origin: str, key_place: str, path: str, changes: list[Change]) -> None:
        self.joined = joined
        self.origin = origin
        self.key_place = key_place
        self.path = path
        self.changes = changes


def check_code(text: str) -> Secret:
    """Return an invite code, or raise before anything is sent; the text is not shown.

    Raises:
        ConfigError: it is none, or mistyped.
    """
    if id_of(text, "cbi"):
        return Secret(text)
    what = "is mistyped or cut off" if text.startswith("cbi_") else "is no invite code"
    raise ConfigError(f"that {what}", hint="copy it whole, as codex-broker invite printed it: cbi_…")


def join(  # noqa: PLR0913 - all that is given to the command
    settings: Settings, url: str, code: Secret, *, pin: str = "", account: str = "", host: str = ""
) -> Enrolled:
    """Enrol this machine and write what a resolve needs into the user's settings.

    Args:
        settings: as they are now.
        url: the broker, with or without ``/codex``.
        code: as :func:`check_code` returned it.
        pin: the SHA-256 of a certificate that the broker presents, or an empty string.
        account: the account to ask for from now on, or an empty string.
        host: this machine's name, for the broker's audit trail.

    Raises:
        ConfigError: the URL or the pin is none.
        Denied: the code is refused.
        Unavailable: the broker cannot be reached, or not now.
        Malformed: it answers nonsense; nothing was stored.
        Unsafe: plain http to another machine, no certificate with that pin, or files cannot be written.
    """
    base = url_value("URL", url).rstrip("/").removesuffix("/codex").rstrip("/").removesuffix(":")
    peer = parse_url(base, "URL")
    if peer.scheme == "http" and not peer.is_local:
        raise Unsafe(f"plain http to {peer.peer} would show the code to the network", hint="use https://")
    if pin and peer.scheme != "https":
        raise ConfigError("--ca-sha256 only goes with an https:// URL", hint="leave it out")
    deadline_s = time.monotonic() + TIMEOUT_S
    with Keep(settings.cascade.user, deadline_s) as keep:
        ca_file = _authority(settings, keep, peer)
        if pin:
            pin = parse_pin(pin)
            ca_file = keep.store_certificate(_pinned(settings, peer, pin, deadline_s), pin)
        nonce = keep.nonce(peer.origin, code)
        joined = _asked(settings, peer, _message(code, nonce, host), ca_file, deadline_s)
        place = keep.store_key(peer.origin, joined.api_key)
        kept_ca = ca_file if keep.is_ours(ca_file) else None
        path, changes = _configure(settings, base, kept_ca, account, keep)
        keep.forget(peer.origin, code)
    return Enrolled(joined, peer.origin, place, path, changes)


def _pinned(settings: Settings, peer: Url, pin: str, deadline_s: float) -> str:
    """Return the certificate of the broker that was pinned, as PEM."""
    try:
        return pinned_pem(peer, pin, deadline_s, settings.environ)
    except NotSent as error:
        error.hint = _hint(error, peer)
        raise


def _authority(settings: Settings, keep: Keep, peer: Url) -> str:
    """Return the CA file to check the broker with: not one that was pinned for another broker."""
    if keep.is_ours(settings.ca_file) and origin_of(settings.remote_url) != peer.origin:
        return settings.codex_ca_certificate
    return settings.ca_file or settings.codex_ca_certificate


def _message(code: Secret, nonce: str, host: str) -> bytes:
    sent = {"code": code.reveal(), "nonce": nonce}
    name = host.partition(".")[0][:64]
    if name and _NAME.issuperset(name):
        sent["name"] = name
    return dumps(sent).encode()


def _asked(settings: Settings, peer: Url, body: bytes, ca_file: str, deadline_s: float) -> Joined:
    """Send the code and return the answer."""
    target = peer.with_path(peer.path.rstrip("/") + "/join")
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    try:
        response = http_request(
            "POST",
            target,
            headers=headers | {"User-Agent": "codex-fetchtoken"},
            deadline_s=deadline_s,
            body=body,
            ca_file=ca_file or None,
            client_cert=settings.client_cert or None,
            client_key=settings.client_key or None,
            environ=settings.environ,
            max_body=LARGEST,
        )
    except BadAnswer as error:
        raise Malformed(error.message, hint="check the URL that codex-broker invite printed") from None
    except NoAnswer as error:
        error.hint = AGAIN
        raise
    except NotSent as error:
        error.hint = _hint(error, peer)
        raise
    return joined_of(peer.peer, response)


def _hint(error: NotSent, peer: Url) -> str:
    if "certificate" in error.message:
        return "a broker with a certificate of its own is joined with --ca-sha256"
    return error.hint or f"check the URL, and that the broker at {peer.peer} runs"


def _configure(
    settings: Settings, base: str, kept_ca: str | None, account: str, keep: Keep
) -> tuple[str, list[Change]]:
    """Write the user's settings; return their path and what changed. The URL comes before the source."""
    cascade = settings.cascade
    held = _held(settings)
    wanted: dict[str, str] = {}
    if kept_ca:
        wanted["CODEX_REMOTE_CA_FILE"] = kept_ca
    elif keep.is_ours(held.get("CODEX_REMOTE_CA_FILE", "")):
        wanted["CODEX_REMOTE_CA_FILE"] = ""
    wanted["CODEX_REMOTE_URL"] = base
    if account:
        wanted["CODEX_ACCOUNT"] = account
    if not held.get("CODEX_TOKEN_SOURCE", "").replace("http", "remote").startswith("remote"):
        wanted["CODEX_TOKEN_SOURCE"] = "remote"  # noqa: S105 - the name of a source
    path = f"{cascade.user}/{FILE_NAME}"
    changes = []
    for key, value in wanted.items():
        before = held.get(key, "")
        if before != value:
            path = set_value(cascade, key, value, "user")
            changes.append(Change(key, value, before))
    return path, changes


def _held(settings: Settings) -> Mapping[str, str]:
    """Return what the user's own file says."""
    cascade = settings.cascade
    for tier in cascade.tiers:
        if tier.file.path == f"{cascade.user}/{FILE_NAME}":
            return {key: text for key, (text, _, _) in tier.values.items()}
    return {}
