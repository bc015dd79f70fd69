"""What a caller gets who has shown a client's SSH key: the same as over HTTP, in the words of a command."""

import secrets
import time
from collections.abc import Callable, Iterable

from structlog import get_logger

from broker.access.gate import Gate
from broker.access.ports import Lines
from broker.access.refused import Refused
from broker.access.tokens import TokenDesk, check_token_scope
from broker.access.views import Directory
from broker.domain.client import is_live
from broker.domain.columns import pair_lines, table_lines
from broker.domain.records import Account, Client
from broker.domain.roster import Roster
from broker.sshd.answers import Answer, as_error, failure
from broker.sshd.commands import HELP, Command, parse_command
from broker.telemetry.bug import log_bug
from broker.telemetry.requestlog import RequestLine
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.token import Token
from fetchtoken.output import render

__all__ = ["FrontDoor"]

_COLUMNS = {
    "account": "ACCOUNT",
    "plan_type": "PLAN",
    "state": "STATE",
    "disabled": "DISABLED",
    "expires_at": "EXPIRES",
}
_log = get_logger(__name__)


class _Call:
    """One command on its way."""

    __slots__ = ("account", "client", "now_s", "peer", "request_id", "verb")

    def __init__(self, peer: str, now_s: float) -> None:
        self.peer = peer
        self.now_s = now_s
        self.request_id = secrets.token_hex(8)
        self.account = ""
        self.client = ""
        self.verb = ""


class FrontDoor:
    """Answers command lines.

    Args:
        roster: accounts and clients.
        desk: decides who gets which token.
        gate: how often an address and a client may ask, over all ways in.
        lines: where one line for each command goes.
        clock: returns epoch seconds.
        ticks: returns seconds on a clock that does not go back.
    """

    def __init__(  # noqa: PLR0913 - parts, each named at the call
        self,
        *,
        roster: Roster,
        desk: TokenDesk,
        gate: Gate,
        lines: Lines,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gate = gate
        self.ticks = ticks
        self._roster = roster
        self._desk = desk
        self._directory = Directory(roster)
        self._lines = lines
        self._clock = clock

    def client(self, fingerprint: str) -> Client | None:
        """Return the client whose SSH key this is, as long as it is neither revoked nor expired."""
        client = self._roster.client_by_ssh_key(fingerprint)
        return client if client is not None and is_live(client, self._clock()) else None

    async def answer(self, line: str | None, fingerprint: str, peer: str) -> Answer:
        """Answer one command line of a caller that has proved to hold a key; never raises.

        Args:
            line: the command; ``None`` for a caller who wants a shell.
            fingerprint: the key's. What the client may do is asked anew for each command.
            peer: the caller's address.
        """
        call, ticks_s, code = _Call(peer, self._clock()), self.ticks(), ""
        try:
            answer = await self._answered(call, line, fingerprint)
        except Refused as refused:
            code = refused.code
            answer = failure(as_error(refused))
        except FetchTokenError as error:
            code = "invalid_request"
            answer = failure(error)
        except Exception as error:  # noqa: BLE001 - answered as a bug; the text may hold anything
            code = "internal_error"
            log_bug(_log, "ssh_command_failed", error, command=call.verb, request_id=call.request_id)
            hint = f"ask whoever runs the broker; its log has it under {call.request_id}"
            answer = failure(FetchTokenError("the broker failed: a bug", hint=hint))
        self._lines.add(
            RequestLine(
                call.now_s,
                "",
                call.verb,
                call.account,
                call.client,
                call.peer,
                answer.code,
                code,
                self.ticks() - ticks_s,
                call.request_id,
                transport="ssh",
            )
        )
        return answer

    async def _answered(self, call: _Call, line: str | None, fingerprint: str) -> Answer:
        client = self.client(fingerprint)
        if client is None:
            raise Refused("invalid_token", "the SSH key is unknown, expired or revoked")
        call.client = client.name
        self.gate.read(client, self.ticks())
        if line is None:
            return Answer(2, "", HELP)
        command = parse_command(line)
        call.verb = command.verb
        if command.verb == "token":
            return await self._token(call, client, command, fingerprint)
        if command.verb == "accounts":
            accounts = self._directory.accounts(client)
            return Answer(0, _json(accounts) if command.as_json else _text(table_lines(accounts, _COLUMNS)))
        if command.verb == "whoami":
            known = {**self._directory.whoami(client), "ssh_key": fingerprint}
            return Answer(0, _json(known) if command.as_json else _text(pair_lines(known)))
        return Answer(0, HELP)

    async def _token(self, call: _Call, client: Client, command: Command, fingerprint: str) -> Answer:
        check_token_scope(client)
        account = await self._desk.account(
            call, client, command.account, command.min_valid_s, lambda: self.client(fingerprint)
        )
        text = render(_as_token(account), command.form, command.shell, call.now_s)
        await self._desk.record(call, client, account, f"ssh {fingerprint}")
        return Answer(0, text)


def _as_token(account: Account) -> Token:
    return Token(
        access_token=account.access_token,
        id_token=account.id_token,
        expires_at=account.expires_at,
        issued_at=account.issued_at,
        account=account.name,
        account_id=account.account_id,
        plan_type=account.plan_type,
        source="ssh",
    )


def _text(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _json(document: object) -> str:
    return dumps(document, indent=2) + "\n"
