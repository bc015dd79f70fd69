"""What a broker's answer to a code means: a key, or which error. Pure; trusts nothing that it reads."""

from __future__ import annotations

from fetchtoken.domain.errors import Denied, FetchTokenError, Malformed, Unavailable
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.keytext import id_of
from fetchtoken.domain.names import is_name
from fetchtoken.domain.secret import Secret

__all__ = ["AGAIN", "LARGEST", "Joined", "joined_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.net.client import Response

LARGEST = 64 * 1024
"""Bytes of an answer; one with a thousand long names is smaller."""

AGAIN = "run the same command again, within ten minutes"
"""What to do where the broker may have answered and nobody heard it."""

_URL = "check the URL that codex-broker invite printed"


class Joined:
    """A broker's answer.

    Args:
        api_key: the key.
        client: as whom this machine is known there.
        accounts: the names of what was granted.
    """

    __slots__ = ("accounts", "api_key", "client")

    def __init__(self, api_key: Secret, client: str, accounts: tuple[str, ...]) -> None:
        self.api_key = api_key
        self.client = client
        self.accounts = accounts


def joined_of(peer: str, response: Response) -> Joined:
    """Return what an answer grants.

    Args:
        peer: who answered, for messages.
        response: the answer; its body may be anything.

    Raises:
        Denied: the code is refused.
        Unavailable: not now.
        Malformed: it is no answer to a code.
    """
    if not response.complete:
        if len(response.body) >= LARGEST:
            raise Malformed(f"{peer} answered with more than {LARGEST} bytes", hint=_URL)
        raise Unavailable(f"{peer} broke off in mid-answer", hint=AGAIN)
    if response.status != 200:
        raise _problem(peer, response)
    document = _document(response)
    api_key, client, accounts = (document.get(name) for name in ("api_key", "client", "accounts"))
    if not isinstance(api_key, str) or not id_of(api_key, "cbk"):
        raise Malformed(f"{peer} answered without an API key", hint=_URL)
    if not isinstance(client, str) or not is_name(client):
        raise Malformed(f"{peer} answered without the name of a client", hint=_URL)
    if not isinstance(accounts, list) or not all(isinstance(one, str) and is_name(one) for one in accounts):
        raise Malformed(f"{peer} answered without the accounts that are granted", hint=_URL)
    return Joined(Secret(api_key), client, tuple(accounts))


def _problem(peer: str, response: Response) -> FetchTokenError:
    status = response.status
    if status in (401, 403):
        return Denied(
            f"{peer} refused the invite code ({status}):"
            " it is unknown, used, expired, revoked, or for device logins",
            hint="ask whoever runs the broker for a new one: codex-broker invite",
            code="invalid_token",
        )
    if status == 429 or status >= 500:
        wait = response.headers.get("retry-after", "")
        soon = f"run the same command again in {wait} s" if wait.isdigit() and len(wait) < 7 else AGAIN
        return Unavailable(f"{peer} cannot enrol this machine now ({status})", hint=soon)
    if 300 <= status < 400:
        return Malformed(f"{peer} leads elsewhere, which is not followed ({status})", hint=_URL)
    return Malformed(f"{peer} does not take invite codes here ({status})", hint=_URL)


def _document(response: Response) -> dict[str, object]:
    try:
        document = loads(response.body.decode())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
