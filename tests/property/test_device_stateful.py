"""Device logins in the real store against a reference, on random doings of people and machines."""

import asyncio
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from broker.domain.apikey import ApiKey, new_key
from broker.domain.approval import Asked, Offer, Refusal, Wish
from broker.domain.device import new_user_code
from broker.domain.records import AuditRecord
from broker.store.approval import Approved, approve_device, deny_device, look_at_device
from broker.store.devices import ask_device
from broker.store.enrolment import invite
from broker.store.redeeming import redeem_code
from broker.store.store import Store
from fetchtoken.domain.errors import NotFound
from fetchtoken.domain.secret import Secret
from tests.support.devices import NAMES, Logins, Template
from tests.support.records import NOW, RECORD

EXAMPLES = int(os.environ.get("DEVICE_EXAMPLES", "20"))
MEMORY = "/dev/shm"
NOBODY = AuditRecord(at=NOW, action="")
picks = st.integers(min_value=0, max_value=99)
aimed = st.sampled_from([True, True, True, False])
"""Whether a step is one of those that mostly happen; by mere chance hardly anything is ever approved."""

some_accounts = st.sets(st.sampled_from(NAMES), min_size=1)


@dataclass
class Login:
    """What the reference says of a request."""

    new: Asked
    ends: float
    state: str = "waiting"
    wrong: int = 0
    tickets: list[tuple[Secret, "Code"]] = field(default_factory=list)
    """Given so far; the last one counts, once."""
    live: bool = False
    """Whether the last one does."""
    wish: tuple[str, str, str] = ("", "", "")
    """Client, account and machine that were approved."""
    credential: int = 0


@dataclass
class Code:
    """What it says of an invite."""

    key: ApiKey
    name: str
    accounts: set[str]
    device: bool
    ends: float
    open: bool = True
    wrong: int = 0
    held_until: float = 0


class Doings(RuleBasedStateMachine):
    """People invite, approve and deny; machines ask and redeem; time passes."""

    def __init__(self):
        super().__init__()
        self.place = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self.runner = asyncio.Runner()
        self.now = NOW
        self.logins: list[Login] = []
        self.codes: list[Code] = []
        self.clients: dict[str, set[str]] = {}
        self.revoked: set[str] = set()
        self.held: dict[tuple[str, str], tuple[int, str]] = {}
        """Live credentials by client and machine: row id and account."""

    @initialize()
    def open(self):
        directory = Path(self.place.name)
        url = template().copied(directory)
        self.store = self.do(Store.open(url, template().seal, now=lambda: self.now))
        self.accounts = self.do(Logins.of(self.store)).accounts
        self.ask()
        self.invite_a_new_client({"home", "work"})

    def do(self, coroutine):
        return self.runner.run(coroutine)

    def teardown(self):
        self.do(self.store.close())
        self.runner.close()
        self.place.cleanup()

    # Who may what, by the reference.

    def counts(self, code):
        return code.open and self.now < code.ends

    def allowed(self, code):
        if code.device:
            return set() if code.name in self.revoked else code.accounts & self.clients[code.name]
        return set() if code.name in self.clients else code.accounts

    def waits(self, login):
        return login.state == "waiting" and self.now < login.ends

    # What happens.

    @precondition(lambda self: len(self.logins) < 8)
    @rule()
    def ask(self):
        new = self.do(
            ask_device(
                self.store,
                client_id="app_x",
                address="192.0.2.7",
                limited_by=str(len(self.logins)),
                now_s=self.now,
                random_bytes=os.urandom,
            )
        )
        self.logins.append(Login(new, self.now + 600))

    def _invite(self, name, accounts, *, device):
        for former in self.codes:
            former.open = former.open and former.name != name
        key = new_key("cbi", os.urandom)
        granted = {self.accounts[one] for one in accounts}
        known = {"default_account": None, "scopes": {"token"}, "expires_at": self.now + 1000}
        self.do(invite(self.store, name, key, RECORD, accounts=granted, device=device, **known))
        self.codes.append(Code(key, name, set(accounts), device, self.now + 1000))

    @rule(accounts=some_accounts)
    def invite_a_new_client(self, accounts):
        self._invite(f"client-{len(self.codes)}", accounts, device=False)

    @precondition(lambda self: self.clients)
    @rule(pick=picks, accounts=some_accounts)
    def invite_a_device(self, pick, accounts):
        self._invite(sorted(self.clients)[pick % len(self.clients)], accounts, device=True)

    @precondition(lambda self: self.logins)
    @rule(pick=picks, with_code=picks, aim=aimed, right=aimed)
    def look(self, pick, with_code, aim, right):
        waiting = [login for login in self.logins if aim and self.waits(login)] or self.logins
        counting = [code for code in self.codes if aim and self.counts(code)] or self.codes
        login = waiting[pick % len(waiting)]
        code = counting[with_code % len(counting)] if right else None
        shown = new_key("cbi", os.urandom) if code is None else code.key
        got = self.do(look_at_device(self.store, login.new.user_code, shown, NOBODY))
        if code is None or not self.counts(code):
            assert got is Refusal.INVITE
            if self.waits(login):
                login.wrong += 1
                if login.wrong == 5:
                    login.state = "void"
        elif self.now < code.held_until:
            assert got is Refusal.HELD
        elif not self.waits(login):
            assert got is Refusal.CODE
            self._mistyped(code)
        elif not self.allowed(code):
            assert got is Refusal.POWERLESS
        else:
            assert isinstance(got, Offer)
            assert (got.client, set(got.accounts)) == (code.name, self.allowed(code))
            login.tickets.append((got.ticket, code))
            login.live = True

    def _mistyped(self, code):
        code.wrong += 1
        if code.wrong == 5:
            code.wrong, code.held_until = 0, self.now + 600

    @precondition(lambda self: self.codes and len(self.codes) % 3 == 0)
    @rule(pick=picks, times=st.sampled_from([1, 1, 1, 5]))
    def mistype(self, pick, times):
        code = self.codes[pick % len(self.codes)]
        for _ in range(times):
            got = self.do(look_at_device(self.store, new_user_code(os.urandom), code.key, NOBODY))
            if not self.counts(code):
                assert got is Refusal.INVITE
            elif self.now < code.held_until:
                assert got is Refusal.HELD
            else:
                assert got is Refusal.CODE
                self._mistyped(code)

    @precondition(lambda self: any(login.live for login in self.logins))
    @rule(pick=picks, which=picks, machine=st.sampled_from("ab"))
    def approve(self, pick, which, machine):
        """The page's own ticket, and one of the accounts on it."""
        login = self._offered(pick)
        _, code = login.tickets[-1]
        account = sorted(self.allowed(code) or NAMES)[which % (len(self.allowed(code)) or 1)]
        self._decide(login, login.tickets[-1], account, machine)

    @precondition(lambda self: any(login.live for login in self.logins))
    @rule(pick=picks)
    def deny(self, pick):
        login = self._offered(pick)
        self._decide(login, login.tickets[-1])

    @precondition(lambda self: any(login.tickets for login in self.logins))
    @rule(pick=picks, which=picks, account=st.sampled_from(["", *NAMES]))
    def tamper(self, pick, which, account):
        """Any ticket that there ever was, and any account; or a denial with it."""
        offered = [login for login in self.logins if login.tickets]
        login = offered[pick % len(offered)]
        self._decide(login, login.tickets[which % len(login.tickets)], account)

    def _offered(self, pick):
        offered = [login for login in self.logins if login.live]
        return offered[pick % len(offered)]

    def _decide(self, login, offer, account="", machine="a"):
        (ticket, code), yes = offer, bool(account)
        counts = login.live and ticket is login.tickets[-1][0]
        login.live = login.live and not counts
        if yes:
            wish = Wish(account=account, machine=machine)
            got = self.do(approve_device(self.store, ticket, wish, NOBODY))
        else:
            got = self.do(deny_device(self.store, ticket, NOBODY))
        if not counts or not self.waits(login):
            assert got is Refusal.TICKET
        elif not yes:
            assert got is None
            login.state = "denied"
        elif not self.counts(code) or self.now < code.held_until:
            assert got is Refusal.INVITE
        elif account not in self.allowed(code):
            assert got is Refusal.NOT_GRANTED
        else:
            assert isinstance(got, Approved)
            self.clients.setdefault(code.name, set(code.accounts))
            code.open = False
            login.state, login.wish = "approved", (code.name, account, machine)
            login.ends = max(login.ends, self.now + 120)

    @precondition(lambda self: any(login.wish[0] for login in self.logins))
    @rule(pick=picks)
    def redeem(self, pick):
        self._redeem([login for login in self.logins if login.wish[0]], pick)

    @precondition(lambda self: self.logins)
    @rule(pick=picks)
    def redeem_anything(self, pick):
        self._redeem(self.logins, pick)

    def _redeem(self, logins, pick):
        login = logins[pick % len(logins)]
        code, _ = Logins(self.store, {}).pair_of(login.new)
        coroutine = redeem_code(self.store, code, new_key("cbr", os.urandom), NOBODY, at_most=50)
        client, account, machine = login.wish
        if login.state == "approved" and self.now < login.ends and client in self.revoked:
            with pytest.raises(NotFound):
                self.do(coroutine)
            return
        done = self.do(coroutine)
        if login.state == "approved" and self.now < login.ends:
            former = self.held.get((client, machine))
            assert [one.id for one in done.ended] == ([former[0]] if former else [])
            login.state, login.credential = "spent", done.made.id
            self.held[client, machine] = (done.made.id, account)
        else:
            assert done.made is None
            if login.state == "spent" and self.held.get((client, machine), (0, ""))[0] == login.credential:
                assert [one.id for one in done.ended] == [login.credential]
                del self.held[client, machine]
            else:
                assert done.ended == ()

    @precondition(lambda self: set(self.clients) - self.revoked)
    @rule(pick=picks, aim=aimed)
    def revoke(self, pick, aim):
        if aim:
            return
        names = sorted(set(self.clients) - self.revoked)
        name = names[pick % len(names)]
        clients = {one.name: one.id for one in self.do(self.store.snapshot()).clients}
        self.do(self.store.revoke_client(clients[name], RECORD))
        self.revoked.add(name)
        for code in self.codes:
            code.open = code.open and code.name != name

    @rule(seconds=st.sampled_from([5, 5, 30, 30, 130, 601]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def the_store_says_the_same(self):
        if not hasattr(self, "store"):
            return
        snapshot = self.do(self.store.snapshot())
        names = {one.id: one.name for one in snapshot.clients}
        accounts = {row: name for name, row in self.accounts.items()}
        assert {
            one.name: {accounts[each] for each in one.accounts} for one in snapshot.clients
        } == self.clients
        live = {
            (names[one.client], one.name): (one.id, accounts[one.account])
            for one in snapshot.machines
            if one.revoked_at is None
        }
        assert live == self.held


_TEMPLATES: list[tuple[tempfile.TemporaryDirectory[str], Template]] = []


def template():
    """Return the store that each run begins with a copy of."""
    if not _TEMPLATES:
        place = tempfile.TemporaryDirectory()
        _TEMPLATES.append((place, Template(Path(place.name))))
    return _TEMPLATES[0][1]


TestDoings = Doings.TestCase
TestDoings.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
