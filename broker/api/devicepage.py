"""``/codex/device``: a person approves a device login by an invite code.

Nothing but what is typed gives any power: no cookie, no key, no address. A form counts only from a page of
the broker's own; the second one carries a ticket that is good for one decision on one request by one invite,
and whatever else it says is looked at again.
"""

from urllib.parse import urlsplit

from aiohttp import hdrs
from aiohttp.web import Response
from multidict import istr

from broker.access.gate import Gate
from broker.access.refused import Refused
from broker.api.bodies import form_of_body
from broker.api.call import Call
from broker.api.devicehtml import HEADERS, codes_page, decision_page, end_page
from broker.api.origins import is_own_page
from broker.api.ports import Devices
from broker.api.problems import NO_STORE, STATUS_OF, X_REQUEST_ID, ProblemError
from broker.domain.apikey import parse_key
from broker.domain.approval import Offer, Refusal, Wish
from broker.domain.device import parse_user_code
from broker.domain.records import AuditRecord
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.names import is_name
from fetchtoken.domain.secret import Secret

__all__ = ["DevicePage"]

_PATH = "/codex/device"
_LARGEST = 4096
_CODES = frozenset({"user_code", "invite"})
_DECISION = frozenset({"ticket", "machine", "account", "decision"})
_SITE = istr("Sec-Fetch-Site")

_TOLD: dict[Refusal, str] = {
    Refusal.INVITE: "The invite code is unknown, used, expired or revoked.",
    Refusal.HELD: "Too many wrong codes came with this invite: it approves nothing for ten minutes.",
    Refusal.CODE: "No machine waits with that code: compare it with what Codex shows, or run it again.",
    Refusal.POWERLESS: "This invite lets no machine in: its client may have no account's token now.",
    Refusal.TICKET: "This page is used, or its ten minutes are over. Nothing was decided.",
    Refusal.NOT_GRANTED: "The invite does not let a machine use that account. Nothing was approved.",
}


class DevicePage:
    """Answers people.

    Args:
        devices: keeps the logins.
        gate: how often it may be tried.
        public_url: how people reach the broker; without one there is no page.
    """

    def __init__(self, devices: Devices, gate: Gate, public_url: str) -> None:
        self._devices = devices
        self._gate = gate
        self._public_url = public_url
        self._action = urlsplit(public_url).path + _PATH

    async def show(self, call: Call) -> Response:
        """Return the form for both codes."""
        self._check_address()
        return self._codes(call, "", 200)

    async def submit(self, call: Call) -> Response:
        """Take either form.

        Every one is paid for before anything in it is looked at, and given back where its codes were right.
        """
        self._check_address()
        try:
            self._check_origin(call)
            self._gate.attempt(call.peer, call.ticks_s)
            fields = await form_of_body(call, _CODES | _DECISION, _LARGEST)
            if fields.keys() == _CODES:
                return await self._look(call, fields)
            if _DECISION - {"account"} <= fields.keys() <= _DECISION:
                return await self._decide(call, fields)
            raise ProblemError("invalid_request", "The form is not one of this page.")
        except Refused as refused:
            if refused.code == "content_too_large":
                raise
            return self._refused(call, refused)
        except FetchTokenError:
            return self._refused(call, Refused("unavailable", "The store does not answer.", retry_after_s=5))

    async def _look(self, call: Call, fields: dict[str, str]) -> Response:
        key = parse_key(fields["invite"].strip())
        user_code = parse_user_code(fields["user_code"])
        offer = await self._devices.look(
            user_code or Secret(""), key if key is not None and key.kind == "cbi" else None, _record(call)
        )
        if isinstance(offer, Refusal):
            return self._codes(call, _TOLD[offer], 403)
        self._gate.joined(call.peer, call.ticks_s)
        call.client = offer.client
        return self._offered(call, offer)

    def _offered(self, call: Call, offer: Offer) -> Response:
        page = decision_page(
            self._action,
            ticket=offer.ticket,
            client=offer.client,
            client_id=offer.request.client_id,
            address=offer.request.address,
            asked_at=offer.request.created_at,
            now_s=call.now_s,
            accounts=offer.accounts,
        )
        return _answered(call, page)

    async def _decide(self, call: Call, fields: dict[str, str]) -> Response:
        ticket, decision = Secret(fields["ticket"]), fields["decision"]
        if decision == "deny":
            refusal = await self._devices.deny(ticket, _record(call))
            said = ("Denied", "That machine gets nothing. The invite can be used as before.")
        elif decision != "approve" or "account" not in fields:
            raise ProblemError("invalid_request", "Neither approved nor denied.")
        elif not is_name(fields["machine"]):
            raise ProblemError(
                "invalid_request",
                "A machine's name is 1 to 64 of a-z 0-9 . _ @ + -, a letter or digit first.",
            )
        else:
            wish = Wish(account=fields["account"], machine=fields["machine"])
            refusal = await self._devices.approve(ticket, wish, _record(call))
            said = ("Approved", "Codex logs in within seconds. This page can be closed.")
        if refusal is not None:
            return _answered(call, end_page("Nothing was done", _TOLD[refusal], self._action), 403)
        self._gate.joined(call.peer, call.ticks_s)
        return _answered(call, end_page(*said))

    def _check_address(self) -> None:
        if not self._public_url:
            raise ProblemError("not_found", "this broker has not been told its own address")

    def _check_origin(self, call: Call) -> None:
        headers = call.request.headers
        if not is_own_page(self._public_url, headers.getall(hdrs.ORIGIN, ()), headers.getall(_SITE, ())):
            raise ProblemError("not_granted", f"The form came from elsewhere: open {self._public_url}{_PATH}")

    def _codes(self, call: Call, told: str, status: int) -> Response:
        return _answered(call, codes_page(self._action, f"{self._public_url}/oauth/revoke", told), status)

    def _refused(self, call: Call, refused: Refused) -> Response:
        page = end_page("Nothing was done", refused.detail, self._action)
        response = _answered(call, page, STATUS_OF[refused.code])
        if refused.retry_after_s is not None:
            response.headers[hdrs.RETRY_AFTER] = str(refused.retry_after_s)
        return response


def _record(call: Call) -> AuditRecord:
    return AuditRecord(at=call.now_s, action="", peer=call.peer, request_id=call.request_id)


def _answered(call: Call, page: str, status: int = 200) -> Response:
    headers = {**NO_STORE, **HEADERS, X_REQUEST_ID: call.request_id}
    return Response(body=page.encode(), status=status, headers=headers)
