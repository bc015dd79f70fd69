"""``GET /codex`` and ``GET /codex/{account}``: the access token of an account."""

import asyncio
from collections.abc import Callable

from aiohttp import hdrs
from aiohttp.web import Response
from structlog import get_logger

from broker.api.answer import PreparedAnswers
from broker.api.authenticate import refused_key
from broker.api.call import Call
from broker.api.negotiate import etag_matches, wants_text
from broker.api.ports import AuditWriter, Coordinator
from broker.api.problems import X_REQUEST_ID, ProblemError
from broker.api.verdict import is_servable, may_be_awaited, refusal
from broker.domain.audit import Action
from broker.domain.client import choose_account, decide
from broker.domain.records import Account, AuditRecord, Client
from broker.domain.roster import Roster
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.names import is_name

__all__ = ["LONGEST_MIN_VALID_S", "TokenHandlers"]

LONGEST_MIN_VALID_S = 864_000
_LONGEST_WAIT_S = 10.0
"""Nobody waits longer for an exchange."""

_DETAILS = {
    "insufficient_scope": "this key may not read tokens",
    "not_granted": "this key has no grant for that account",
    "account_disabled": "the account is disabled",
    "account_required": "this key has several grants and no default: name the account in the path",
}
_SERVED = Action.TOKEN_SERVED.value
_log = get_logger(__name__)


class TokenHandlers:
    """Answers with tokens.

    Args:
        roster: accounts and clients.
        coordinator: exchanges tokens that have expired.
        audit: is told before a token leaves.
        clock: returns epoch seconds.
    """

    def __init__(
        self, roster: Roster, coordinator: Coordinator, audit: AuditWriter, clock: Callable[[], float]
    ) -> None:
        self._roster = roster
        self._coordinator = coordinator
        self._audit = audit
        self._clock = clock
        self._answers = PreparedAnswers(roster)

    async def only(self, call: Call, client: Client) -> Response:
        """Return the token of the client's only or default account."""
        _check_scope(client)
        min_valid_s = _min_valid_s(call)
        chosen = choose_account(client)
        if chosen is None:
            if client.accounts:
                raise ProblemError("account_required", _DETAILS["account_required"])
            raise ProblemError("not_granted", "this key has no grants")
        return await self._token(call, client, self._roster.account_by_id(chosen), min_valid_s)

    async def named(self, call: Call, client: Client) -> Response:
        """Return the token of the account in the path."""
        name = call.request.match_info["account"]
        if not is_name(name):
            raise ProblemError("not_found", "that is no name of an account")
        _check_scope(client)
        return await self._token(call, client, self._roster.account(name), _min_valid_s(call))

    async def _token(self, call: Call, client: Client, account: Account | None, min_valid_s: int) -> Response:
        account = _allowed(client, account, call.now_s)
        call.account = account.name
        if not is_servable(account, call.now_s, min_valid_s):
            if may_be_awaited(account, call.now_s):
                account = await self._renewed(call, client, account)
            if not is_servable(account, call.now_s, min_valid_s):
                raise refusal(account, call.now_s, min_valid_s)
        return await self._answered(call, client, account)

    async def _renewed(self, call: Call, client: Client, account: Account) -> Account:
        """Return the account after an exchange, or after the longest wait for one.

        What may have changed meanwhile is asked again: the time, the client and its grants.
        """
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                account = await self._coordinator.ensure(account.id, reason="request")
        except (FetchTokenError, TimeoutError):
            account = self._roster.account_by_id(account.id) or account
        except Exception as error:  # noqa: BLE001 - the caller is told to come back, the log tells why
            _log.exception("an exchange on request failed", error=error, request_id=call.request_id)
            account = self._roster.account_by_id(account.id) or account
        call.now_s = self._clock()
        known = self._roster.client_by_key(client.key_id)
        if known is None:
            raise refused_key()
        return _allowed(known, account, call.now_s)

    async def _answered(self, call: Call, client: Client, account: Account) -> Response:
        answer = self._answers.of(account)
        as_text = wants_text(call.joined(hdrs.ACCEPT))
        headers = answer.text_headers if as_text else answer.headers
        if etag_matches(call.joined(hdrs.IF_NONE_MATCH), headers[hdrs.ETAG]):
            response = Response(status=304, headers=headers)
            del response.headers[hdrs.CONTENT_TYPE]
        else:
            if call.request.method != hdrs.METH_HEAD:
                await self._record(call, client, account)
            response = Response(body=answer.text if as_text else answer.json(call.now_s), headers=headers)
        response.headers[X_REQUEST_ID] = call.request_id
        return response

    async def _record(self, call: Call, client: Client, account: Account) -> None:
        """Have it durably recorded that a token leaves; without that it does not."""
        record = AuditRecord(
            at=call.now_s,
            action=_SERVED,
            client=client.name,
            account=account.name,
            peer=call.peer,
            request_id=call.request_id,
        )
        try:
            await self._audit.record(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, no token leaves unrecorded
            _log.error("no audit record, so no token left", error=error, request_id=call.request_id)
            raise ProblemError(
                "unavailable", "the audit trail cannot be written", {"Retry-After": "5"}
            ) from None


def _allowed(client: Client, account: Account | None, now_s: float) -> Account:
    """Return the account when the client may have its token."""
    reason = decide(client, account, "token", now_s)
    if reason == "invalid_token":
        raise refused_key()
    if reason is not None or account is None:
        code = reason or "not_granted"
        raise ProblemError(code, _DETAILS[code])
    return account


def _check_scope(client: Client) -> None:
    if "token" not in client.scopes:
        challenge = 'Bearer realm="codex-broker", error="insufficient_scope", scope="token"'
        raise ProblemError(
            "insufficient_scope", _DETAILS["insufficient_scope"], {"WWW-Authenticate": challenge}
        )


def _min_valid_s(call: Call) -> int:
    """Return ``?min_valid=N``, 0 where it is not given."""
    url = call.request.rel_url
    if not url.raw_query_string:
        return 0
    values = url.query.getall("min_valid", [])
    if not values:
        return 0
    text = values[0]
    if len(values) == 1 and text.isascii() and text.isdigit() and len(text) <= 6:
        seconds = int(text)
        if seconds <= LONGEST_MIN_VALID_S:
            return seconds
    raise ProblemError("invalid_request", f"min_valid must be 0 to {LONGEST_MIN_VALID_S} seconds")
