"""A broker's API on loopback, with real clients, accounts and keys, and collaborators that obey the test."""

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp

from broker.access.gate import Gate, Limits
from broker.access.limits import Rate
from broker.access.tokens import TokenDesk
from broker.api.app import build_app
from broker.api.problems import OAUTH_WORDS
from broker.api.server import serve
from broker.domain.account import State
from broker.domain.apikey import hash_key, new_key
from broker.domain.device import pair_of, verifier_of
from broker.domain.records import Account, Client, Machine
from broker.domain.roster import Roster
from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret

NOW = 1_764_000_000.0
"""2025-11-24T16:00:00Z, where the test clock starts."""
DAY = 86_400
WIDE = Limits(
    failures=Rate(10_000, 1.0),
    reads=Rate(100_000, 1000.0),
    joins=Rate(10_000, 1.0),
    all_joins=Rate(10_000, 1.0),
    logins=Rate(10_000, 1.0),
    all_logins=Rate(10_000, 1.0),
    machine_reads=Rate(100_000, 1000.0),
)
"""Limits that no ordinary test meets."""


def jwt(**claims):
    return unsigned_jwt(claims)


def make_account(number=1, **changes):
    """Return an account whose token was issued 2 days ago and lives for 8 more."""
    life = {"iat": int(NOW) - 2 * DAY, "exp": int(NOW) + 8 * DAY}
    known = {
        "id": number,
        "name": f"work{number}",
        "account_id": f"acct-{number}",
        "user_id": f"user-{number}",
        "email": "someone@example.com",
        "plan_type": "pro",
        "issuer": "https://auth.openai.com",
        "client_id": "app_x",
        "login_id": f"{number:032x}",
        "generation": 3,
        "state": State.ACTIVE,
        "disabled": False,
        "restored": False,
        "adopting": False,
        "sealed": False,
        "replay_used": False,
        "source": "adopt",
        "source_path": "/home/someone/.codex/auth.json",
        "attempt_id": None,
        "journal_id": None,
        "lease_until": None,
        "not_before_s": 0.0,
        "failures": 0,
        "last_error": "",
        "issued_at": life["iat"],
        "expires_at": life["exp"],
        "refresh_after": NOW + 4 * DAY,
        "created_at": NOW - 30 * DAY,
        "updated_at": NOW - 2 * DAY,
        "revision": 1,
        "access_token": Secret(jwt(**life, sub=f"access-{number}")),
        "refresh_token": Secret(f"rt_never_leaves_{number}"),
        "id_token": Secret(jwt(**life, sub=f"id-{number}")),
    }
    return Account(**(known | changes))


class Coordinator:
    """Obeys the test; the exchange itself is tested elsewhere."""

    def __init__(self):
        self.asked = []
        self.outcome = Unavailable("the issuer is down")
        """An error to raise, an account to return, or an event to wait for in vain."""

    async def ensure(self, account, *, reason):
        self.asked.append((account, reason))
        if isinstance(self.outcome, asyncio.Event):
            await self.outcome.wait()
        if isinstance(self.outcome, Account):
            return self.outcome
        raise self.outcome


class Audit:
    """Keeps records in memory, or fails as told."""

    def __init__(self):
        self.records = []
        self.error = None

    async def record(self, record):
        if self.error is not None:
            raise self.error
        self.records.append(record)


class Health:
    """Has the troubles that the test gives it."""

    def __init__(self):
        self.now = ()

    def troubles(self):
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


class Enrolment:
    """Knows no code, or answers what the test gives it."""

    def __init__(self):
        self.asked = []
        self.outcome = None

    async def redeem(self, code, nonce, audit):
        self.asked.append((code.text.reveal(), nonce.reveal(), audit))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Machines:
    """Notes what it is told; a demand is met, or fails, as the test says."""

    def __init__(self, roster):
        self.roster = roster
        self.made = []
        self.demands = []
        self.uses = []
        self.revoked = []
        self.error = None
        self.meet = None
        """Called with machine and account for each demand; may be a coroutine function."""

    async def recovered(self, machine, account):
        self.demands.append((machine.id, account.name))
        if self.meet is not None:
            await self.meet(machine, account)

    def served(self, machine, account, now_s):
        self.uses.append((machine.id, account.name, now_s))

    async def replace(self, key, audit, **wish):
        if self.error is not None:
            raise self.error
        self.made.append((audit, wish))
        known = {"key_id": key.key_id, "key_hash": hash_key(key, self.hash_key), "created_at": audit.at}
        made = Machine(
            id=self.roster.machine_count + 1, revoked_at=None, last_used_at=None, revision=1, **known, **wish
        )
        self.roster.put_machine(made)
        return made

    async def revoke(self, machine, *, peer, request_id):
        if self.error is not None:
            raise self.error
        self.revoked.append((machine.id, peer, request_id))


class Devices:
    """Answers what the test gives it; the logins themselves are tested with a real store."""

    def __init__(self):
        self.outcome = {}
        """By the name of what is asked: to be returned, or raised."""

    def pair(self, device):
        return pair_of(device, b"k" * 32)

    def verifier(self, code):
        return verifier_of(code, b"k" * 32)

    def __getattr__(self, name):
        async def answer(*_args, **_wishes):
            outcome = self.outcome.get(name)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return answer


class Lines(list):
    """Keeps request lines."""

    add = list.append


class World:
    """Everything around one API."""

    def __init__(self):
        self.roster = Roster()
        self.coordinator = Coordinator()
        self.audit = Audit()
        self.health = Health()
        self.enrolment = Enrolment()
        self.devices = Devices()
        self.machines = Machines(self.roster)
        self.lines = Lines()
        self.hash_key = self.machines.hash_key = os.urandom(32)
        self.now = NOW
        self.ticks = 1000.0
        self.keys = {}
        self.url = ""
        self.port = 0
        self.http = None

    def account(self, number=1, **changes):
        held = self.roster.account_by_id(number)
        changes.setdefault("revision", 1 if held is None else held.revision + 1)
        account = make_account(number, **changes)
        self.roster.put_account(account)
        return account

    def client(self, name="laptop", **changes):
        """Add or change a client and return the key that it has."""
        held = self.roster.client(name)
        key = self.keys.setdefault(name, new_key("cbk", os.urandom))
        known = {
            "id": len(self.keys) if held is None else held.id,
            "name": name,
            "key_id": key.key_id,
            "key_hash": hash_key(key, self.hash_key),
            "scopes": frozenset({"token"}),
            "accounts": frozenset({1}),
            "default_account": None,
            "expires_at": None,
            "revoked_at": None,
            "created_at": NOW - DAY,
            "updated_at": NOW - DAY,
            "revision": 1 if held is None else held.revision + 1,
        }
        self.roster.put_client(Client(**(known | changes)))
        return key.text.reveal()

    async def get(self, path="/codex", *, key=None, method="GET", **headers):
        """Ask, with the key of the client ``laptop`` unless another or ``""`` is given."""
        key = self.keys["laptop"].text.reveal() if key is None and "laptop" in self.keys else key
        sent = [("Authorization", f"Bearer {key}")] if key else []
        for name, value in headers.items():
            header = name.replace("_", "-")
            sent += [(header, one) for one in ([value] if isinstance(value, str) else value)]
        async with self.http.request(
            method, aiohttp.client.URL(self.url + path, encoded=True), headers=sent, allow_redirects=False
        ) as response:
            response.content_bytes = await response.read()
            return response

    async def join(self, body=None, **headers):
        """Send a code, by default one that is well formed and unknown, from a machine of its own."""
        if body is None:
            body = {"code": new_key("cbi", os.urandom).text.reveal(), "nonce": os.urandom(32).hex()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(
            self.url + "/join", data=data, headers=sent, allow_redirects=False
        ) as response:
            response.content_bytes = await response.read()
            return response

    def machine(self, name="laptop", **changes):
        """Add or change the machine credential of the client ``laptop``; return its text."""
        held = next((one for one in self.roster.machines_of(1) if one.name == name), None)
        key = self.keys.setdefault(f"machine {name}", new_key("cbr", os.urandom))
        known = {
            "id": self.roster.machine_count + 1 if held is None else held.id,
            "client": 1,
            "account": 1,
            "name": name,
            "key_id": key.key_id,
            "key_hash": hash_key(key, self.hash_key),
            "expires_at": None,
            "revoked_at": None,
            "last_used_at": None,
            "created_at": NOW - DAY,
            "revision": 1 if held is None else held.revision + 1,
        }
        self.roster.put_machine(Machine(**(known | changes)))
        return key.text.reveal()

    async def post(self, path, fields=None, *, form=False, **headers):
        """Send fields, or bytes as they are, as JSON or as a form."""
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        encode = urlencode if form else json.dumps
        data = fields if isinstance(fields, bytes) else encode(fields or {}).encode()
        sent = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(
            self.url + path, data=data, headers=sent, allow_redirects=False
        ) as response:
            response.content_bytes = await response.read()
            return response

    async def refresh(self, credential, *, form=False, **fields):
        """Ask for a token as the Codex CLI does."""
        known = {
            "client_id": "app_x",
            "grant_type": "refresh_token",
            "refresh_reason": "proactive_expiry",
            "refresh_token": credential,
        }
        return await self.post("/oauth/token", known | fields, form=form)

    async def exchange(self, key=None, *, form=True, without=(), **fields):
        """Exchange the key of the client ``laptop``, or the text given, for a machine's credential."""
        token_type = "urn:ietf:params:oauth:token-type:"
        known = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": self.keys["laptop"].text.reveal() if key is None else key,
            "subject_token_type": token_type + "access_token",
            "requested_token_type": token_type + "refresh_token",
            "audience": "work1",
            "machine_name": "box",
        }
        sent = {name: value for name, value in (known | fields).items() if name not in without}
        return await self.post("/oauth/token", sent, form=form)

    async def raw(self, data, *, until_closed=True):
        """Send bytes over a connection of their own and return what comes back until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            return await reader.read(-1 if until_closed else 65536)
        except ConnectionError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def running(world, *, tls=None, limits=WIDE, **changes):
    """Serve the world's API on a free port."""
    parts = {
        "roster": world.roster,
        "desk": TokenDesk(world.roster, world.coordinator, world.audit, lambda: world.now),
        "health": world.health,
        "enrolment": world.enrolment,
        "machines": world.machines,
        "devices": world.devices,
        "key_hash_key": world.hash_key,
        "lines": world.lines,
        "gate": Gate(limits),
        "clock": lambda: world.now,
        "ticks": lambda: world.ticks,
    }
    sock = socket.create_server(("127.0.0.1", 0))
    world.port = sock.getsockname()[1]
    world.url = f"http://127.0.0.1:{world.port}"
    world.runner = runner = await serve(build_app(**(parts | changes)), sock, context=tls, stop_within_s=1)
    try:
        async with aiohttp.ClientSession(
            auto_decompress=False, connector=aiohttp.TCPConnector(limit=0)
        ) as world.http:
            yield world
    finally:
        await runner.cleanup()


def problem(response):
    """Return the code of a problem answer, after looking at its shape."""
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    document = json.loads(response.content_bytes)
    word = OAUTH_WORDS.get(document["code"], document["code"])
    spoken = {"error": word, "error_description": document["detail"]} if "error" in document else {}
    assert document.keys() == {"type", "title", "status", "code", "detail", *spoken}
    assert document == document | spoken
    assert document["status"] == response.status
    return document["code"]
