"""The token object of one account, rendered once for each change and kept as bytes."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from aiohttp import hdrs
from multidict import CIMultiDict

from broker.api.problems import NO_STORE
from broker.domain.records import Account
from broker.domain.roster import Roster
from broker.domain.tokens import token_of
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.formats.codex import access_only_document

__all__ = ["PreparedAnswer", "PreparedAnswers"]


class PreparedAnswer:
    """What ``/codex`` answers for an account: an access-only ``auth.json`` with RFC 6749's fields on top.

    Args:
        account: the account; its access token leaves by :meth:`json` and :attr:`text`.
    """

    __slots__ = (
        "_head",
        "_tail",
        "etag",
        "expires_at",
        "headers",
        "revision",
        "text",
        "text_etag",
        "text_headers",
    )

    def __init__(self, account: Account) -> None:
        self.revision = account.revision
        self.expires_at = account.expires_at
        self.text = account.access_token.reveal().encode()
        top = {"access_token": account.access_token.reveal(), "token_type": "Bearer"}
        head, tail = dumps(top)[:-1] + ',"expires_in":', "," + dumps(_rest(account))[1:]
        self._head = head.encode()
        self._tail = tail.encode()
        # Weak, since two answers with one tag differ in expires_in (RFC 9110 §8.8.1).
        tag = urlsafe_b64encode(sha256(self._head + self._tail).digest()[:18]).decode()
        self.etag = f'W/"{tag}"'
        self.text_etag = f'W/"{tag}.t"'
        self.headers = _headers(self.etag, "application/json")
        self.text_headers = _headers(self.text_etag, "text/plain; charset=utf-8")

    def json(self, now_s: float) -> bytes:
        """Return the object with ``expires_in`` as of now."""
        left = "null" if self.expires_at is None else str(max(0, int(self.expires_at - now_s)))
        return b"%s%s%s" % (self._head, left.encode(), self._tail)


def _headers(etag: str, kind: str) -> CIMultiDict[str]:
    """Return the headers of a 200; those of a 304 lack the content type."""
    return CIMultiDict(
        {**NO_STORE, hdrs.CONTENT_TYPE: kind, hdrs.ETAG: etag, hdrs.VARY: "Accept, Authorization"}
    )


def _rest(account: Account) -> dict[str, object]:
    """Return what follows ``expires_in``."""
    return {
        "expires_at": None if account.expires_at is None else to_rfc3339(account.expires_at),
        "refresh_after": to_rfc3339(account.refresh_after) if account.refresh_token else None,
        "account": account.name,
        "account_id": account.account_id,
        "plan_type": account.plan_type,
        **access_only_document(token_of(account), now_s=account.created_at),
    }


class PreparedAnswers:
    """Prepared answers by account, made when first asked for after a change.

    Args:
        roster: tells which accounts still exist, so that a removed one's token is not kept.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._held: dict[int, PreparedAnswer] = {}
        self._made = 0

    def of(self, account: Account) -> PreparedAnswer:
        """Return the answer for the account as it is now."""
        held = self._held.get(account.id)
        if held is not None and held.revision == account.revision:
            return held
        self._made += 1
        if self._made > len(self._held):
            self._drop_removed()
        answer = self._held[account.id] = PreparedAnswer(account)
        return answer

    def _drop_removed(self) -> None:
        self._made = 0
        self._held = {
            key: held for key, held in self._held.items() if self._roster.account_by_id(key) is not None
        }
