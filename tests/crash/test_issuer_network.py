"""Row 10 of the reliability table, below HTTP: through a real daemon, and through the real command."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fetchtoken.oauth.outcome import Kind
from tests.crash.table_network import NETWORK, Place, Trust
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Login
from tests.support.laptop import EXPIRED, STALE, Laptop
from tests.support.logins import auth_document
from tests.support.peers import Peer, closed_port
from tests.support.tokens import jwt
from tests.support.wait import until_sync

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(120)]

STATES = {
    Kind.NOT_SENT: "active",
    Kind.TOKENS: "active",
    Kind.TRY_LATER: "active",
    Kind.REFUSED: "login_required",
    Kind.UNKNOWN: "in_doubt",
}
EXIT_CODES = {
    Kind.NOT_SENT: (5, "the issuer cannot be reached"),
    Kind.TOKENS: (0, ""),
    Kind.TRY_LATER: (5, "the issuer asks to try later"),
    Kind.REFUSED: (3, "its refresh token was refused"),
    Kind.UNKNOWN: (5, "in doubt"),
}
BEHIND_A_PROXY = "https://issuer.invalid"


@dataclass
class World:
    """A peer whose script a test sets, the places where an issuer may be, and a daemon for each."""

    root: Path
    trust: Trust
    peer: Peer
    closed: int
    stack: ExitStack
    daemons: dict[Place, tuple[Daemon, str]] = field(default_factory=dict)

    def where(self, place: Place) -> tuple[str, dict[str, str]]:
        """Return the issuer's URL and what the environment says of the way there."""
        ca_file = self.root / "ca.pem"
        self.trust.ours.cert_pem.write_to_path(ca_file)
        url = {
            Place.PEER: f"https://localhost:{self.peer.port}",
            Place.CLOSED: f"https://localhost:{self.closed}",
        }
        proxy = {Place.PROXY: self.peer.port, Place.PROXY_CLOSED: self.closed}
        environ = {"SSL_CERT_FILE": str(ca_file)}
        if place in proxy:
            environ["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy[place]}"
        return url.get(place, BEHIND_A_PROXY), environ

    def daemon(self, place: Place) -> tuple[Daemon, str]:
        """Return the daemon for a place, and a key for all that it holds."""
        if place not in self.daemons:
            url, environ = self.where(place)
            root = self.root / place.replace(" ", "-")
            root.mkdir()
            made = self.stack.enter_context(running_daemon(root, url, **environ))
            hold(made, "fresh")
            self.daemons[place] = (made, made.add_client("all", "fresh"))
        return self.daemons[place]

    def heard(self, token: str) -> int:
        """Return how many whole requests with a token the peer has read."""
        return sum(f'"{token}"'.encode() in request for request in self.peer.requests)


def hold(daemon: Daemon, name: str, **life: float) -> None:
    """Take in a login that no issuer knows."""
    access = jwt(account_id=name, **life)
    daemon.hold(Login("", auth_document(access, refresh=f"rt_{name}", account_id=name)), name)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        peer = stack.enter_context(Peer(lambda _, connection: connection.close()))
        closed = stack.enter_context(closed_port())
        yield World(tmp_path_factory.mktemp("network"), Trust(), peer, closed, stack)


@pytest.mark.parametrize("net", NETWORK, ids=str)
def test_the_broker_judges_by_how_far_the_request_got(world, net):
    """Class, state and word of a stale account, whose token is served whatever happens on the way."""
    daemon, key = world.daemon(net.place)
    if net.script is not None:
        world.peer.script = net.script(world.trust)
    name = f"a{NETWORK.index(net)}"
    hold(daemon, name, **STALE)
    daemon.call("client_grant", name="all", accounts=[name])
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(daemon.call("account_show", name=name))
        return bool(found["failures"] or found["generation"])

    until_sync(over, within_s=60, pause_s=0.05)
    rotated = net.kind is Kind.TOKENS
    word = net.word or ("" if rotated else "not_sent")
    assert (found["state"], found["last_error"], found["generation"]) == (
        STATES[net.kind],
        word,
        int(rotated),
    )
    answer = daemon.get(f"/codex/{name}", key)
    assert (answer.status, answer.document["access_token"] == "at_new") == (200, rotated)
    assert world.heard(f"rt_{name}") == (net.kind is not Kind.NOT_SENT)
    # So that nothing of it comes into another test by itself.
    daemon.call("account_remove", name=name)


@pytest.mark.parametrize("net", NETWORK, ids=str)
def test_the_command_judges_by_how_far_the_request_got(tmp_path, issuer, world, net):
    """Exit code and message of an expired login; where nothing was sent the next run renews it."""
    if net.script is not None:
        world.peer.script = net.script(world.trust)
    url, environ = world.where(net.place)
    laptop = Laptop(tmp_path, issuer)
    login = laptop.log_in(**EXPIRED)
    plain = dict(laptop.environ)
    laptop.environ |= {**environ, "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{url}/oauth/token"}
    code, says = EXIT_CODES[net.kind]
    ran = laptop.run()
    assert ran.code == code, ran
    assert says in ran.err
    assert world.heard(login.refresh_token) == (net.kind is not Kind.NOT_SENT)
    assert laptop.litter() == (["auth.json.attempt"] if net.kind in (Kind.UNKNOWN, Kind.REFUSED) else [])

    laptop.environ = plain
    again = laptop.run()
    if net.kind in (Kind.NOT_SENT, Kind.TRY_LATER):
        assert (again.code, again.out) == (0, laptop.access_token + "\n")
        assert laptop.sent() == ["rotated"]
    else:
        assert again.code == code
        assert laptop.sent() == []
