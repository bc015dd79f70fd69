"""Who may administer a broker: its owner and root through the socket, its owner alone without a daemon."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from broker.admin.local import listen, peer_of
from broker.admin.server import build_admin_app
from broker.admin.wire import Actor
from tests.support.broker import Broker
from tests.support.issuer import Issuer
from tests.support.need import need_root
from tests.support.places import NOBODY, acting_as, open_directory

ROOT = Path(__file__).parents[3]
STRANGER = 12_345

ASK = """
import http.client, socket, sys
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
connection.request("POST", "/v1/admin/whoami", b"{}")
print(connection.getresponse().read().decode())
"""


class Listener:
    """Stands where the service would: says who asks."""

    async def call(self, _operation: str, _params: dict[str, object], actor: Actor) -> str:
        return actor.peer


@contextmanager
def owned_by(user: int, issuer: Issuer) -> Iterator[Broker]:
    """Give a broker whose home is another user's."""
    need_root("a daemon of another user")
    with open_directory() as root:
        os.chown(root, user, user)
        broker = Broker(root, issuer)
        command = [sys.executable, "-m", "tests.support.as_user", str(user), str(broker.home)]
        environ = {**broker.environ, "PYTHONPATH": str(ROOT), "CODEX_BROKER_SERVER_PORT": "0"}
        made = subprocess.run([*command, "init"], env=environ, cwd="/", capture_output=True, check=False)
        assert made.returncode == 0, made.stderr
        yield broker


@contextmanager
def serving(broker: Broker, user: int) -> Iterator[None]:
    """Run its daemon as that user."""
    command = [sys.executable, "-m", "tests.support.as_user", str(user), str(broker.home), "serve"]
    environ = {**broker.environ, "PYTHONPATH": str(ROOT), "CODEX_BROKER_SERVER_PORT": "0"}
    with subprocess.Popen(
        command, env=environ, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready ")
            yield
        finally:
            process.terminate()


def photograph(broker: Broker) -> dict[str, tuple[int, int]]:
    """Return when each file of the home was last changed, and its size."""
    found = [path for path in broker.home.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def test_the_kernel_names_the_peer(tmp_path: Path) -> None:
    """The peer's ids come from the kernel, and the socket file is its owner's alone."""
    with (
        listen(tmp_path / "admin.sock") as listener,
        socket.socket(socket.AF_UNIX) as client,
    ):
        listener.listen()
        client.connect(str(tmp_path / "admin.sock"))
        connection, _ = listener.accept()
        with connection:
            peer = peer_of(connection)
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
    assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600


def test_a_long_path(tmp_path: Path) -> None:
    """A home deeper than a socket address can say is bound and reached all the same."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    broker = Broker(tmp_path, None)
    broker.home = deep / "home"
    broker.environ |= {"CODEX_BROKER_HOME": str(broker.home), "CODEX_BROKER_SERVER_PORT": "0"}
    assert broker.run("init").code == 0
    with broker.daemon("serve"):
        assert broker.json("account", "list") == []


@pytest.mark.parametrize(
    ("asker", "code"), [(NOBODY, 0), (STRANGER, 8), (0, 0)], ids=["owner", "stranger", "root"]
)
async def test_the_daemon_checks_who_asks(asker: int, code: int) -> None:
    """Even where the socket could be reached, only its owner and root are answered."""
    need_root("asking as other users")
    with open_directory() as root:
        path = root / "admin.sock"
        runner = web.AppRunner(build_admin_app(Listener(), owner=NOBODY), access_log=None)
        await runner.setup()
        await web.SockSite(runner, listen(path)).start()
        path.chmod(0o666)
        asked = await _ask_as(asker, path)
        await runner.cleanup()
    assert asked.get("exit_code", 0) == code
    if code:
        assert str(STRANGER) in asked["detail"]
    else:
        assert asked["result"].startswith(f"uid:{asker} pid:")


async def _ask_as(user: int, path: Path) -> dict[str, str]:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env",
        "python3",
        "-c",
        ASK,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        user=user,
        group=user,
        extra_groups=[],
    )
    out, _ = await process.communicate()
    return json.loads(out)


def test_root_administers_the_daemon_of_another_user(issuer: Issuer, tmp_path: Path) -> None:
    """Through the socket root's commands work, and leave no file of root's behind."""
    with owned_by(NOBODY, issuer) as broker, serving(broker, NOBODY):
        login = issuer.mint(email="ada@example.com").write(tmp_path / "login.json")
        imported = broker.run("account", "import", str(login), "--sole-owner", "--name", "work")
        assert imported.code == 0, imported.err
        assert broker.json("client", "add", "ci", "--account", "work")["accounts"] == ["work"]
        assert {path.stat().st_uid for path in broker.home.rglob("*")} == {NOBODY}


def test_root_adopts_a_file_as_its_owner(issuer: Issuer) -> None:
    """A third user's file is read, locked and rewritten as that user, and stays that user's."""
    with owned_by(NOBODY, issuer) as broker, serving(broker, NOBODY):
        home = broker.root / "codex"
        home.mkdir(mode=0o700)
        file = issuer.mint(email="ada@example.com").write(home / "auth.json")
        for path in (home, file):
            os.chown(path, STRANGER, STRANGER)
        adopted = broker.run("account", "adopt", str(file))
        assert (adopted.code, adopted.out) == (0, "adopted ada\n"), adopted.err
        assert json.loads(file.read_text())["tokens"]["refresh_token"] == ""
        assert {path.stat().st_uid for path in home.iterdir()} == {STRANGER}
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_in_a_users_home_leads_root_nowhere(issuer: Issuer, tmp_path: Path) -> None:
    """A file that its directory's owner could not read is not adopted for root either."""
    with owned_by(NOBODY, issuer) as broker, serving(broker, NOBODY):
        secret = issuer.mint().write(tmp_path / "auth.json")
        home = broker.root / "codex"
        home.mkdir(mode=0o700)
        (home / "auth.json").symlink_to(secret)
        os.chown(home, STRANGER, STRANGER)
        refused = broker.run("account", "adopt", str(home / "auth.json"))
        assert refused.code == 8
        assert json.loads(secret.read_text())["tokens"]["refresh_token"]


def test_without_a_daemon_only_the_owner(issuer: Issuer) -> None:
    """Root, without a daemon to ask, is refused before a file of the home is touched."""
    with owned_by(NOBODY, issuer) as broker:
        before = photograph(broker)
        for words in (["account", "list"], ["client", "list"], ["serve"], ["init"], ["up"]):
            refused = broker.run(*words)
            assert refused.code == 8, words
            assert f"belongs to user {NOBODY}, you are {os.geteuid()}" in refused.err
        assert photograph(broker) == before


def test_a_stranger_reaches_nothing(issuer: Issuer) -> None:
    """Another user gets exit 8, whether a daemon runs or not."""
    with owned_by(NOBODY, issuer) as broker:
        with acting_as(STRANGER):
            assert broker.run("account", "list").code == 8
        with serving(broker, NOBODY), acting_as(STRANGER):
            refused = broker.run("account", "list")
    assert refused.code == 8
    assert "another user" in refused.err
