"""``GET /v1/whoami`` and ``GET /v1/accounts``: what a client is and sees. No tokens."""

from aiohttp import hdrs
from aiohttp.web import Response

from broker.access.views import Directory
from broker.api.call import Call
from broker.api.problems import NO_STORE, X_REQUEST_ID
from broker.domain.records import Client
from broker.domain.roster import Roster
from fetchtoken.domain.jsontext import dumps

__all__ = ["DirectoryHandlers"]


class DirectoryHandlers:
    """Answers from the roster.

    Args:
        roster: accounts and clients.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._directory = Directory(roster)

    async def whoami(self, call: Call, client: Client) -> Response:
        """Return the client and its grants."""
        return _answer(call, self._directory.whoami(client))

    async def accounts(self, call: Call, client: Client) -> Response:
        """Return states and expiries of the accounts granted; of all with scope admin."""
        return _answer(call, {"accounts": self._directory.accounts(client)})


def _answer(call: Call, document: dict[str, object]) -> Response:
    headers = {**NO_STORE, hdrs.CONTENT_TYPE: "application/json", X_REQUEST_ID: call.request_id}
    return Response(body=dumps(document).encode(), headers=headers)
