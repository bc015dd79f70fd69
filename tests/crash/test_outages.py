"""Row 13 of the reliability table: the issuer away for a token's whole life, the broker for an hour.

Days pass by offset clocks: ``clock.offset`` of the daemon, which is started anew at each step, the
issuer's own offset, and a moved wall clock for the command and for a daemon on a machine that slept.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.daemon import Answer, Daemon, running_daemon
from tests.support.issuer import Issuer, Login, start_issuer_process
from tests.support.laptop import Laptop
from tests.support.programs import FETCHTOKEN, Machine
from tests.support.wait import until_sync

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(300)]

DAY_S = 86_400
MINUTE_S = 60
TEN_DAYS = {"life_s": 10 * DAY_S}
LIVING = (5.4, 6.6, 9.9)
"""Days at which a ten-day token is served: fresh, stale, about to end."""
STALE_FROM = 6.6
"""The first of them at which it is due, whatever the jitter."""
DEAD = 10
BACK = 10.5


class Upstream:
    """An issuer that can be away; it keeps its logins, its log begins anew."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._running = ExitStack()
        self._port = 0
        self.issuer: Issuer
        self.back()

    def back(self, offset_s: float = 0) -> None:
        """Be there, at the port of the first time, with the clock put ahead."""
        state = self._directory / "logins.json"
        started = start_issuer_process(self._directory, port=self._port, state=state)
        self.issuer, _ = self._running.enter_context(started)
        self._port = int(self.issuer.url.rpartition(":")[2])
        self.issuer.settings(offset_s=offset_s)

    def away(self) -> None:
        """Be gone: connections are refused."""
        self._running.close()

    def decisions(self, login: Login) -> list[str]:
        return [entry["decision"] for entry in self.issuer.exchanges() if entry["login_id"] == login.login_id]


@pytest.fixture
def upstream(tmp_path):
    made = Upstream(tmp_path / "issuer")
    yield made
    made.away()


class Office:
    """A daemon, and a client on a machine of its own, on one clock."""

    def __init__(self, root: Path, daemon: Daemon) -> None:
        self.daemon = daemon
        self.clock = Clock(root / "clock")
        self.key = ""
        (root / "client").mkdir()
        self.client = Machine(root / "client")
        self.client.environ |= {"CODEX_TOKEN_SOURCE": "remote", "CODEX_MIN_VALID": "0", **self.clock.environ}

    def hold(self, **logins: Login) -> None:
        for name, login in logins.items():
            self.daemon.hold(login, name)
        self.key = self.daemon.add_client("all", *logins)
        self.client.environ |= {"CODEX_REMOTE_URL": self.daemon.url, "CODEX_REMOTE_API_KEY": self.key}

    def fetch(self, name: str, *words: str) -> tuple[int, str, str]:
        ran = self.client.run(FETCHTOKEN, "--account", name, *words)
        return ran.code, ran.out.strip(), ran.err

    def fetch_now(self, name: str) -> tuple[int, str]:
        """Fetch without a copy; return exit code and token."""
        return self.fetch(name, "--no-cache")[:2]

    def get(self, name: str) -> Answer:
        return self.daemon.get(f"/codex/{name}", self.key)

    def shown(self, name: str) -> dict[str, Any]:
        return dict(self.daemon.call("account_show", name=name))

    def until(self, name: str, **wanted: object) -> None:
        """Wait until an account is like this, by nobody's doing but the daemon's."""
        until_sync(lambda: wanted.items() <= self.shown(name).items(), within_s=60, pause_s=0.05)

    def on_its_clock(self) -> None:
        """Start the daemon anew, on a machine whose clock can be moved while it runs."""
        assert self.daemon.stop() == 0
        self.daemon.machine.environ |= self.clock.environ
        self.daemon.start("serve")

    def day(self, day: float) -> None:
        """Start the daemon anew on a later day."""
        assert self.daemon.stop() == 0
        self.clock.move(day * DAY_S)
        self.daemon.machine.environ["CODEX_BROKER_CLOCK_OFFSET"] = str(day * DAY_S)
        self.daemon.start("serve")


@contextmanager
def office(root: Path, upstream: Upstream) -> Iterator[Office]:
    with running_daemon(root, upstream.issuer.url) as daemon:
        yield Office(root, daemon)


def test_the_broker_outlives_an_issuer_that_is_away_for_a_tokens_whole_life(tmp_path, upstream):
    """Served until it expires, 5 after that, and renewed by itself once the issuer is back."""
    login = upstream.issuer.mint(**TEN_DAYS)
    with office(tmp_path, upstream) as place:
        place.hold(work=login)
        upstream.away()
        for day in LIVING:
            place.day(day)
            if day >= STALE_FROM:
                until_sync(lambda: place.shown("work")["failures"])
            assert place.get("work").status == 200
            assert place.fetch_now("work") == (0, login.access_token)

        place.day(DEAD)
        answer = place.get("work")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 5
        assert place.fetch_now("work") == (5, "")
        assert place.daemon.get("/readyz").status == 200

        upstream.back(BACK * DAY_S)
        place.day(BACK)
        place.until("work", generation=1, state="active", failures=0)
        code, token = place.fetch_now("work")
        assert (code, upstream.issuer.alive(token)) == (0, True)
        assert upstream.decisions(login) == ["rotated"]


def test_the_broker_outlives_an_issuer_that_only_answers_badly(tmp_path, upstream):
    """Whatever it says for ten days: served until expiry, 5 then; only two lost answers need a person."""
    faults = {"overloaded": ("503", -1), "limited": ("429", -1), "once": ("500", 1), "twice": ("500", -1)}
    logins = {name: upstream.issuer.mint(**TEN_DAYS) for name in faults}
    for name, (fault, times) in faults.items():
        upstream.issuer.fault(fault, times=times, login_id=logins[name].login_id)
    with office(tmp_path, upstream) as place:
        place.hold(**logins)
        for day in LIVING:
            place.day(day)
            upstream.issuer.settings(offset_s=day * DAY_S)
            for name, login in logins.items():
                if day >= STALE_FROM:
                    place.until(name, state="in_doubt" if faults[name][0] == "500" else "active")
                    until_sync(lambda name=name: place.shown(name)["failures"])
                assert place.fetch_now(name) == (0, login.access_token)
        assert upstream.decisions(logins["once"]) == ["not processed"]
        assert upstream.decisions(logins["twice"]) == ["not processed"]

        place.day(DEAD)
        upstream.issuer.settings(offset_s=DEAD * DAY_S)
        # Nothing is left to lose: what is in doubt is sent once more, by itself.
        place.until("once", generation=1, state="active")
        place.until("twice", state="in_doubt", replay_used=True)
        for name in ("overloaded", "limited", "twice"):
            assert place.get(name).code == "unavailable"
            assert place.fetch_now(name) == (5, "")

        upstream.issuer.clear_faults()
        upstream.issuer.settings(offset_s=BACK * DAY_S)
        place.day(BACK)
        for name in ("overloaded", "limited"):
            place.until(name, generation=1, state="active", failures=0)
        for name in ("overloaded", "limited", "once"):
            code, token = place.fetch_now(name)
            assert (code, upstream.issuer.alive(token)) == (0, True)
            *before, last = upstream.decisions(logins[name])
            assert (set(before), last) == ({"not processed"}, "rotated")
        assert place.fetch_now("twice") == (5, "")
        assert "log in again" in place.shown("twice")["to_do"]
        assert upstream.decisions(logins["twice"]) == ["not processed"] * 2


def test_a_token_that_expires_during_an_outage_comes_back_without_a_restart(tmp_path, upstream):
    """One daemon all the while: 200, then 503, then 200 again as soon as the issuer answers."""
    login = upstream.issuer.mint(life_s=10 * DAY_S, age_s=10 * DAY_S - 60 * MINUTE_S)
    with office(tmp_path, upstream) as place:
        place.on_its_clock()
        upstream.away()
        place.hold(work=login)
        until_sync(lambda: place.shown("work")["failures"])
        assert place.fetch_now("work") == (0, login.access_token)
        place.clock.move(55 * MINUTE_S)
        answer = place.get("work")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert place.fetch_now("work") == (5, "")
        upstream.back(place.clock.offset_s)
        place.until("work", generation=1, state="active", failures=0)
        code, token = place.fetch_now("work")
        assert (code, upstream.issuer.alive(token)) == (0, True)
        assert upstream.decisions(login) == ["rotated"]


@pytest.mark.parametrize("how", ["away", "503", "500 once", "500"])
def test_the_command_outlives_an_outage_of_a_tokens_whole_life(tmp_path, upstream, how):
    """The live token is printed until it expires, 5 after that, and the next run renews it."""
    clock = Clock(tmp_path / "clock")
    laptop = Laptop(tmp_path, upstream.issuer)
    laptop.environ |= {**clock.environ, "CODEX_MIN_VALID": "0"}
    login = laptop.log_in(**TEN_DAYS)
    if how == "away":
        upstream.away()
    else:
        upstream.issuer.fault(how.partition(" ")[0], times=1 if "once" in how else -1)
    doubtful = how.startswith("500")
    for day in LIVING:
        clock.move(day * DAY_S)
        if how != "away":
            upstream.issuer.settings(offset_s=clock.offset_s)
        assert laptop.run("refresh").code == (5 if day >= STALE_FROM else 0)
        ran = laptop.run()
        assert (ran.code, ran.out) == (0, login.access_token + "\n")
        assert ("in doubt" in ran.err) == (doubtful and day >= STALE_FROM)

    clock.move(DEAD * DAY_S)
    ran = laptop.run()
    assert (ran.code, ran.out) == (5, "")
    if how != "away":
        upstream.issuer.settings(offset_s=clock.offset_s)
        # Where both answers were lost nothing but a new login can help.
        assert laptop.run("refresh").code == {"503": 5, "500 once": 0, "500": 3}[how]
        upstream.issuer.clear_faults()
    clock.move(BACK * DAY_S)
    if how == "away":
        upstream.back(clock.offset_s)
    else:
        upstream.issuer.settings(offset_s=clock.offset_s)
    ran = laptop.run()
    *before, last = upstream.decisions(login)
    assert set(before) <= {"not processed"}
    if how == "500":
        assert (ran.code, ran.out, len(before), last) == (3, "", 1, "not processed")
    else:
        assert (ran.code, ran.out, last) == (0, laptop.access_token + "\n", "rotated")
        assert upstream.issuer.alive(laptop.access_token)
        assert laptop.litter() == []


def test_a_client_gets_through_an_hour_without_its_broker(tmp_path, upstream):
    """Its copy serves it for as long as the token lives; the broker comes back and catches up by itself."""
    long = upstream.issuer.mint(life_s=120 * MINUTE_S, age_s=30 * MINUTE_S)
    short = upstream.issuer.mint(life_s=60 * MINUTE_S)
    with office(tmp_path, upstream) as place:
        place.on_its_clock()
        place.hold(long=long, short=short)
        tokens = {"long": long.access_token, "short": short.access_token}
        assert {name: place.fetch(name) for name in tokens} == {
            name: (0, token, "") for name, token in tokens.items()
        }
        place.daemon.kill()
        for minute in range(3, 60, 5):
            place.clock.move(minute * MINUTE_S)
            for name, token in tokens.items():
                code, out, err = place.fetch(name)
                if name == "short" and minute > 54:
                    assert (code, out) == (5, ""), minute
                    continue
                assert (code, out) == (0, token), minute
                assert ("note:" in err) == (minute > 5), minute

        place.clock.move(60 * MINUTE_S)
        upstream.issuer.settings(offset_s=60 * MINUTE_S)
        place.daemon.start("serve")
        for name, login in {"long": long, "short": short}.items():
            place.until(name, generation=1, state="active")
            code, out, err = place.fetch(name)
            assert (code, err) == (0, "")
            assert out != tokens[name]
            assert upstream.issuer.alive(out)
            assert upstream.decisions(login) == ["rotated"]


def test_a_machine_that_slept_past_the_due_time_catches_up_by_itself(tmp_path, upstream):
    """The clock that the daemon sleeps by stood still meanwhile; nobody has to ask for the token."""
    login = upstream.issuer.mint(life_s=120 * MINUTE_S)
    with office(tmp_path, upstream) as place:
        place.hold(work=login)
        place.on_its_clock()
        assert place.fetch_now("work") == (0, login.access_token)
        place.clock.move(90 * MINUTE_S)
        upstream.issuer.settings(offset_s=90 * MINUTE_S)
        place.until("work", generation=1, state="active")
        assert upstream.decisions(login) == ["rotated"]
