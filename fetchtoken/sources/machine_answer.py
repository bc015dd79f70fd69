"""What a broker's answers about machine credentials mean. Pure; trusts nothing that it reads."""

from __future__ import annotations

from fetchtoken.domain.errors import Denied, FetchTokenError, Malformed, NotFound
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.keytext import id_of
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.messages import json_object
from fetchtoken.oauth.token_exchange import REFRESH_TOKEN
from fetchtoken.sources.answer import token_in
from fetchtoken.sources.remote_answer import problem as problem_of_token

__all__ = ["Given", "credential_of", "problem"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.net.client import Response

_HINT = "check CODEX_REMOTE_URL"
_TOO_OLD = frozenset({"unsupported_grant_type", "method_not_allowed", "not_found"})


class Given:
    """A credential as an answer holds it.

    Args:
        credential: ``cbr_…``.
        expires_at: epoch seconds.
        number: the broker's own for it.
        token: what lies beside it.
    """

    __slots__ = ("credential", "expires_at", "number", "token")

    def __init__(self, credential: Secret, expires_at: float, number: int, token: Token) -> None:
        self.credential = credential
        self.expires_at = expires_at
        self.number = number
        self.token = token


def credential_of(peer: str, response: Response, account: str) -> Given:
    """Return what a 200 gives.

    Args:
        peer: who answered, for messages.
        response: the complete answer.
        account: the name that was asked for, or an empty string.

    Raises:
        Malformed: it is no machine credential, or lacks what belongs to one.
    """
    document = json_object(response.body) or {}
    credential, number = document.get("access_token"), document.get("machine")
    if not isinstance(credential, str) or not id_of(credential, "cbr"):
        raise Malformed(f"{peer} answered without a machine credential", hint=_HINT)
    if document.get("issued_token_type") != REFRESH_TOKEN:
        raise Malformed(f"{peer} answered with another kind of token than was asked for", hint=_HINT)
    expires_at = parse_rfc3339(document.get("expires_at"))
    if expires_at is None or type(number) is not int:
        raise Malformed(f"{peer} does not say when its machine credential ends, or which it is", hint=_HINT)
    token = token_in(dumps(document.get("token")).encode(), peer, account, source="remote", hint=_HINT)
    return Given(Secret(credential), expires_at, number, token)


def problem(peer: str, response: Response, account: str) -> FetchTokenError:
    """Return the error that an answer other than 200 stands for.

    Args:
        peer: who answered, for messages.
        response: the answer; its body may be anything.
        account: the name that was asked for, or an empty string.
    """
    status = response.status
    said = (json_object(response.body) or {}).get("code")
    code = said if isinstance(said, str) else ""
    if status in (400, 404, 405) and (code in _TOO_OLD or status != 400):
        return NotFound(
            f"{peer} gives no machine credentials for API keys ({status})",
            hint="a newer codex-broker does; check CODEX_REMOTE_URL",
        )
    if (status, code) == (403, "too_many_machines"):
        return Denied(
            f"{peer} gives this client no more machine credentials: it has as many as it may have",
            hint="ask whoever runs the broker: codex-broker client revoke NAME --machine NUMBER",
            code="too_many_machines",
        )
    return problem_of_token(peer, response, account)
