"""To which broker a program below ``exec`` is steered: Codex's two override variables. Pure.

Theory
    Codex refreshes where ``oauth_provenance`` says, but revokes at OpenAI unless a variable says otherwise.
    So for a machine credential both variables name its broker: then nothing of it reaches OpenAI. With a
    real login neither may: what Codex refreshes is then OpenAI's, and no broker's business. A file without
    a refresh token has nothing to send, and whatever comes into it below ``exec`` comes from the broker.
"""

from __future__ import annotations

from fetchtoken.codex.destination import MACHINE_CREDENTIAL
from fetchtoken.domain.errors import ConfigError
from fetchtoken.formats.codex import AuthFile
from fetchtoken.net.url import parse_url
from fetchtoken.oauth.messages import ISSUER
from fetchtoken.settings.keys import STEERED, STEERED_PATHS, is_steered

__all__ = ["Steering", "steered_environment", "steering", "without_steering"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Steering:
    """Where a program is led.

    Args:
        base: the broker's URL, or an empty string for nowhere.
        note: why not to the broker that is configured, or an empty string.
        holds: whether the file holds that broker's credential.
    """

    __slots__ = ("base", "holds", "note")

    def __init__(self, base: str = "", note: str = "", *, holds: bool = False) -> None:
        self.base = base
        self.note = note
        self.holds = holds


def steering(auth: AuthFile | None, *, broker: str, asked: bool) -> Steering:
    """Return where Codex is to refresh and revoke what its auth file holds.

    Args:
        auth: the file, or ``None`` where there is none.
        broker: base URL of the configured broker, or an empty string.
        asked: whether the token comes from that broker; else only a file can name one.
    """
    held = "" if auth is None else auth.refresh_token.reveal()
    if auth is not None and held.startswith(MACHINE_CREDENTIAL):
        found = _checked(auth.provenance_issuer.rstrip("/") or broker, auth.name)
        return Steering(found.base, found.note, holds=True)
    if not asked or not broker:
        return Steering()
    if auth is not None and held:
        return Steering(note=f"{auth.name} holds a login at OpenAI: Codex is not led to the broker with it")
    return _checked(broker, "CODEX_REMOTE_URL")


def _checked(base: str, named_by: str) -> Steering:
    """Return the way to a broker, unless Codex cannot or should not go there."""
    if not base:
        return Steering()
    try:
        url = parse_url(base, "its broker's URL")
    except ConfigError as error:
        return Steering(note=f"{named_by}: {error.message}, so Codex is not led there")
    if url.scheme == "http" and not url.is_local:
        return Steering(note=f"{named_by}: its broker is plain http on another host: Codex is not led there")
    if url.scheme == "unix" or url.origin == parse_url(ISSUER).origin:
        return Steering()
    return Steering(base)


def without_steering(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what an ``exec`` around it put there."""
    return {
        name: value
        for name, value in environ.items()
        if name != STEERED and not is_steered(environ, name, value)
    }


def steered_environment(environ: Mapping[str, str], base: str) -> dict[str, str]:
    """Return an environment that leads Codex to a broker; what the user set himself stays.

    Args:
        environ: the caller's, without another steering.
        base: the broker's URL, or an empty string to lead nowhere.
    """
    if not base:
        return dict(environ)
    ours = {name: base + path for name, path in STEERED_PATHS.items() if not environ.get(name)}
    return {**environ, **ours, **({STEERED: base} if ours else {})}
