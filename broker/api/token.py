"""``GET /codex`` and ``GET /codex/{account}``: the access token of an account."""

from aiohttp import hdrs
from aiohttp.web import Response

from broker.access.tokens import LONGEST_MIN_VALID_S, TokenDesk, check_token_scope, parse_min_valid
from broker.api.answer import PreparedAnswers
from broker.api.call import Call
from broker.api.negotiate import etag_matches, wants_text
from broker.api.problems import X_REQUEST_ID, ProblemError
from broker.domain.records import Account, Client
from broker.domain.roster import Roster
from fetchtoken.domain.names import is_name

__all__ = ["TokenHandlers"]


class TokenHandlers:
    """Answers with tokens.

    Args:
        roster: accounts and clients.
        desk: decides who gets which.
    """

    def __init__(self, roster: Roster, desk: TokenDesk) -> None:
        self._roster = roster
        self._desk = desk
        self._answers = PreparedAnswers(roster)

    async def only(self, call: Call, client: Client) -> Response:
        """Return the token of the client's only or default account."""
        return await self._token(call, client, None)

    async def named(self, call: Call, client: Client) -> Response:
        """Return the token of the account in the path."""
        name = call.request.match_info["account"]
        if not is_name(name):
            raise ProblemError("not_found", "that is no name of an account")
        return await self._token(call, client, name)

    async def _token(self, call: Call, client: Client, name: str | None) -> Response:
        check_token_scope(client)
        account = await self._desk.account(
            call, client, name, _min_valid_s(call), lambda: self._roster.client_by_key(client.key_id)
        )
        return await self._answered(call, client, account)

    async def _answered(self, call: Call, client: Client, account: Account) -> Response:
        answer = self._answers.of(account)
        as_text = wants_text(call.joined(hdrs.ACCEPT))
        headers = answer.text_headers if as_text else answer.headers
        if etag_matches(call.joined(hdrs.IF_NONE_MATCH), headers[hdrs.ETAG]):
            response = Response(status=304, headers=headers)
            del response.headers[hdrs.CONTENT_TYPE]
        else:
            if call.request.method != hdrs.METH_HEAD:
                await self._desk.record(call, client, account)
            response = Response(body=answer.text if as_text else answer.json(call.now_s), headers=headers)
        response.headers[X_REQUEST_ID] = call.request_id
        return response


def _min_valid_s(call: Call) -> int:
    """Return ``?min_valid=N``, 0 where it is not given."""
    url = call.request.rel_url
    if not url.raw_query_string:
        return 0
    values = url.query.getall("min_valid", [])
    if not values:
        return 0
    seconds = parse_min_valid(values[0]) if len(values) == 1 else None
    if seconds is None:
        raise ProblemError("invalid_request", f"min_valid must be 0 to {LONGEST_MIN_VALID_S} seconds")
    return seconds
