"""Row 9 of the reliability table: five hundred callers at once, and one exchange."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer, Login, issuer_in_thread
from tests.support.laptop import EXPIRED, STALE
from tests.support.programs import FETCHTOKEN, Machine, ended
from tests.support.wait import until_sync

pytestmark = pytest.mark.reliability

CALLERS = 500
COMMANDS = 20


@dataclass(frozen=True)
class Said:
    """What one caller was answered."""

    status: int
    headers: dict[str, str]
    document: dict[str, object]

    @property
    def token(self) -> object:
        return self.document.get("access_token")


class Crowd:
    """Callers with a connection each, all of which have asked; none has been listened to yet."""

    def __init__(self, talks: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self._talks = talks

    @classmethod
    async def asking(cls, url: str, account: str, key: str, count: int = CALLERS) -> "Crowd":
        parts = urlsplit(url)
        request = (
            f"GET /codex/{account} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
            f"Authorization: Bearer {key}\r\n\r\n"
        ).encode()
        talks = await asyncio.gather(
            *(asyncio.open_connection(parts.hostname, parts.port) for _ in range(count))
        )
        for _, writer in talks:
            writer.write(request)
        await asyncio.gather(*(writer.drain() for _, writer in talks))
        return cls(talks)

    async def leave(self, count: int) -> None:
        """Let so many of them hang up."""
        gone, self._talks = self._talks[:count], self._talks[count:]
        for _, writer in gone:
            writer.transport.abort()

    async def answers(self) -> list[Said]:
        """Return what each was answered; all connections end."""
        said = await asyncio.gather(*(reader.read() for reader, _ in self._talks))
        for _, writer in self._talks:
            writer.close()
        return [_parsed(raw) for raw in said]


def _parsed(raw: bytes) -> Said:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Said(int(first.split()[1]), headers, json.loads(body))


@dataclass
class Place:
    """A daemon with its issuer and the key of somebody who may have every account."""

    daemon: Daemon
    issuer: Issuer
    client: Machine
    key: str = ""

    def hold(self, name: str, fault: str, **wishes: int) -> Login:
        login = self.issuer.mint(**{name: value for name, value in wishes.items() if name != "seconds"})
        if fault:
            self.issuer.fault(fault, login_id=login.login_id, seconds=wishes.get("seconds", 1))
        self.daemon.hold(login, name)
        self.key = self.daemon.add_client(f"client-of-{name}", name)
        return login

    def decisions(self, login: Login) -> list[str]:
        return [entry["decision"] for entry in self.issuer.exchanges() if entry["login_id"] == login.login_id]

    def recorded(self, name: str) -> int:
        """Return how many of its tokens left by the audit trail."""
        with closing(sqlite3.connect(self.daemon.home / "broker.db")) as store:
            query = "SELECT count(*) FROM audit WHERE action = 'token.served' AND account = ?"
            return int(store.execute(query, (name,)).fetchone()[0])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("callers")
    (root / "client").mkdir()
    with issuer_in_thread() as issuer, running_daemon(root, issuer.url) as daemon:
        yield Place(daemon, issuer, Machine(root / "client"))


async def test_a_stale_account_serves_everybody_while_its_exchange_is_under_way(place):
    """Nobody waits: the live token, then the new one; the issuer sees one request."""
    login = place.hold("stale", "hold", **STALE)
    await asyncio.to_thread(place.issuer.until_held)
    crowd = await Crowd.asking(place.daemon.url, "stale", place.key)
    assert {(said.status, said.token) for said in await crowd.answers()} == {(200, login.access_token)}

    place.issuer.release()
    until_sync(lambda: place.daemon.call("account_show", name="stale")["generation"] == 1)
    crowd = await Crowd.asking(place.daemon.url, "stale", place.key)
    (answer,) = {(said.status, said.token) for said in await crowd.answers()}
    assert answer[0] == 200
    assert answer[1] != login.access_token
    assert place.issuer.alive(str(answer[1]))
    assert place.decisions(login) == ["rotated"]
    assert place.recorded("stale") == 2 * CALLERS


async def test_an_expired_account_serves_everybody_by_one_exchange(place):
    """All of them ask while it is under way, and all get the token that it brings."""
    login = place.hold("expired", "hold", **EXPIRED)
    await asyncio.to_thread(place.issuer.until_held)
    crowd = await Crowd.asking(place.daemon.url, "expired", place.key)
    place.issuer.release()
    (answer,) = {(said.status, said.token) for said in await crowd.answers()}
    assert answer[0] == 200
    assert place.issuer.alive(str(answer[1]))
    assert place.decisions(login) == ["rotated"]
    assert place.recorded("expired") == CALLERS


async def test_callers_that_hang_up_take_nothing_with_them(place):
    """All but ten go away in mid-exchange: it goes on, and the ten are served."""
    login = place.hold("left", "hold", **EXPIRED)
    await asyncio.to_thread(place.issuer.until_held)
    crowd = await Crowd.asking(place.daemon.url, "left", place.key)
    await crowd.leave(CALLERS - 10)
    place.issuer.release()
    answers = await crowd.answers()
    assert [said.status for said in answers] == [200] * 10
    assert place.issuer.alive(str(answers[0].token))
    assert place.decisions(login) == ["rotated"]


async def test_callers_cause_no_storm_while_the_issuer_says_not_now(place):
    """A thousand get a 503 with the time to come back, and the issuer is left alone until then."""
    login = place.hold("patient", "503-retry-after", seconds=300, **EXPIRED)
    for _ in range(2):
        crowd = await Crowd.asking(place.daemon.url, "patient", place.key)
        answers = await crowd.answers()
        assert {(said.status, said.document["code"]) for said in answers} == {(503, "unavailable")}
        assert {0 < int(said.headers["retry-after"]) <= 300 for said in answers} == {True}
    assert place.decisions(login) == ["not processed"]


def test_tokens_that_are_born_too_old_are_not_asked_for_by_each_caller(place):
    """An issuer that gives five minutes, or whose clock is behind: one exchange a minute, and an alarm."""
    login = place.hold("short", "", life_s=300)
    until_sync(lambda: place.daemon.call("account_show", name="short")["generation"] == 1)
    for _ in range(20):
        answer = place.daemon.get("/codex/short", place.key)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert 5 <= int(answer.headers["retry-after"]) <= 60
    assert place.decisions(login) == ["rotated"]
    assert "account.expiry_alarm" in place.daemon.admin("audit", "list", "--account", "short").out
    assert "answer_already_expired" in place.daemon.log


async def test_nobody_waits_for_an_exchange_without_end(place):
    """The issuer holds its answer: all are told to come back while it still does, and then served."""
    login = place.hold("slow", "hold", **EXPIRED)
    await asyncio.to_thread(place.issuer.until_held)
    crowd = await Crowd.asking(place.daemon.url, "slow", place.key)
    assert {(said.status, said.document["code"]) for said in await crowd.answers()} == {(503, "unavailable")}
    assert place.issuer.release() == 1
    until_sync(lambda: place.daemon.call("account_show", name="slow")["generation"] == 1)
    crowd = await Crowd.asking(place.daemon.url, "slow", place.key)
    assert {said.status for said in await crowd.answers()} == {200}
    assert place.decisions(login) == ["rotated"]


def test_commands_at_once_print_the_token_of_one_exchange(place):
    """Many machines start ``codex-fetchtoken`` at the same moment."""
    login = place.hold("commands", "hold", **EXPIRED)
    place.issuer.until_held()
    environ = {
        "CODEX_TOKEN_SOURCE": "remote",
        "CODEX_REMOTE_URL": place.daemon.url,
        "CODEX_REMOTE_API_KEY": place.key,
    }
    started = [place.client.start(FETCHTOKEN, "--no-cache", **environ) for _ in range(COMMANDS)]
    place.issuer.release()
    (ran,) = {ended(process) for process in started}
    assert (ran.code, ran.err) == (0, "")
    assert place.issuer.alive(ran.out.strip())
    assert place.decisions(login) == ["rotated"]
