"""The SSH source's copies, and where a conversation runs, against a real ``sshd``."""

import asyncio
import json
import os
import pty
import select
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from fetchtoken.domain.errors import Unsafe
from fetchtoken.sources.ssh import copy_path, fetch, peer_of
from fetchtoken.ssh import person
from tests.support.programs import FETCHTOKEN, program
from tests.support.sshd import SshHost, key_pair, ssh_host
from tests.support.tokens import jwt, request_of, settings_of

PASSPHRASE = "open sesame"


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[SshHost]:
    """Return a host with the command, that lets a key in, and the same key encrypted."""
    root = tmp_path_factory.mktemp("host")
    with ssh_host(root / "machine") as found:
        for name, passphrase in (("plain", ""), ("locked", PASSPHRASE)):
            found.admit(key_pair(root / name, passphrase=passphrase))
        printed = {"access_token": jwt(), "account_id": "acct-1"}
        found.install(f"echo '{json.dumps(printed)}'")
        yield found


@pytest.fixture
def keys(host: SshHost, tmp_path: Path) -> dict[str, str]:
    """Return the settings with which the host is known and lets us in."""
    (tmp_path / "known").write_text(host.known_line())
    return {
        "CODEX_SSH_HOST": "127.0.0.1",
        "CODEX_SSH_PORT": str(host.port),
        "CODEX_SSH_KEY": str(host.root.parent / "plain"),
        "CODEX_SSH_KNOWN_HOSTS": str(tmp_path / "known"),
    }


# Copies.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CODEX_SSH_HOST", "other"),
        ("CODEX_SSH_PORT", "23"),
        ("CODEX_SSH_USER", "other"),
        ("CODEX_SSH_PASS", "other"),
        ("CODEX_SSH_COMMAND", "other"),
    ],
)
def test_a_copy_is_for_one_host_user_command_and_key(tmp_path: Path, key: str, value: str):
    """What changes whom a token is from, or who may have it, changes the name of the copy."""
    before = {"CODEX_SSH_HOST": "box", "CODEX_SSH_PORT": "22", "CODEX_SSH_USER": "me", "CODEX_SSH_PASS": "x"}
    first = copy_path(settings_of(tmp_path, **before), "")
    assert first != copy_path(settings_of(tmp_path, **{**before, key: value}), "")
    assert first != copy_path(settings_of(tmp_path, **before), "work")
    assert first == copy_path(settings_of(tmp_path, **before), "")


def test_another_key_in_the_same_file_has_another_copy(tmp_path: Path):
    """The key's text counts, not its path."""
    file = tmp_path / "key"
    file.write_text("PRIVATE KEY one")
    file.chmod(0o600)
    settings = settings_of(tmp_path, CODEX_SSH_HOST="box", CODEX_SSH_KEY=str(file))
    first = copy_path(settings, "")
    file.write_text("PRIVATE KEY two")
    assert copy_path(settings, "") != first


def test_a_key_that_others_can_read_is_refused_before_its_copy_is_used(tmp_path: Path):
    """A private key needs its mode, a public one does not."""
    file = tmp_path / "key"
    file.write_text("PRIVATE KEY")
    file.chmod(0o644)
    settings = settings_of(tmp_path, CODEX_SSH_HOST="box", CODEX_SSH_KEY=str(file))
    with pytest.raises(Unsafe, match="readable"):
        copy_path(settings, "")
    file.write_text("ssh-ed25519 AAAA")
    assert copy_path(settings, "")


@pytest.mark.parametrize(
    ("keys_", "peer"),
    [
        ({"HOST": "box"}, "box"),
        ({"HOST": "box", "USER": "me"}, "me@box"),
        ({"HOST": "box", "PORT": "22", "USER": "me"}, "me@box:22"),
        ({"HOST": "::1", "PORT": "22"}, "[::1]:22"),
    ],
)
def test_how_a_host_is_named(tmp_path: Path, keys_: dict[str, str], peer: str):
    """As it is configured."""
    settings = settings_of(tmp_path, **{f"CODEX_SSH_{name}": value for name, value in keys_.items()})
    assert peer_of(settings) == peer


# The loop.


async def test_a_caller_with_a_loop_of_its_own_gets_its_token(keys: dict[str, str], tmp_path: Path):
    """The library's plain function works where a loop runs already."""
    token = fetch(settings_of(tmp_path, **keys), request_of())
    assert (token.source, token.account_id) == ("ssh", "acct-1")


def test_a_jump_host_that_leads_to_itself_is_no_jump(keys: dict[str, str], host: SshHost, tmp_path: Path):
    """``Host *`` with a ProxyJump, as many have it, counts for the jump host too."""
    (tmp_path / ".ssh").mkdir()
    lines = [f"Host hop\n  HostName 127.0.0.1\n  Port {host.port}\n", "Host *\n  ProxyJump hop\n"]
    lines.append(f"  IdentityFile {host.root.parent}/plain\n  UserKnownHostsFile {tmp_path}/known\n")
    (tmp_path / ".ssh/config").write_text("".join(lines))
    before = host.connections
    assert fetch(settings_of(tmp_path, **keys), request_of()).source == "ssh"
    assert host.connections == before + 2


async def test_no_password_goes_to_a_host_that_is_unknown(tmp_path: Path):
    """Whoever answers in another's place hears neither a password nor a user's name."""
    heard: list[str] = []

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            heard.append(username)
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            heard.append(f"{username} {password}")
            return False

    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key]) as server:
        keys = {"CODEX_SSH_HOST": "127.0.0.1", "CODEX_SSH_PORT": str(server.get_port())}
        settings = settings_of(tmp_path, CODEX_SSH_PASS="hunter2", CODEX_SSH_USER="me", **keys)
        with pytest.raises(Unsafe, match="unknown"):
            await asyncio.to_thread(fetch, settings, request_of())
    assert heard == []


# A person at the terminal.


def at_a_terminal(keys: dict[str, str], home: Path, *answers: tuple[str, str]) -> tuple[int, str, str]:
    """Run the command with a real terminal; return exit code, standard output, and what was shown.

    Args:
        keys: the environment's settings.
        home: the home directory.
        *answers: each a text to wait for, and what to type then.
    """
    ours, theirs = pty.openpty()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "CODEX_TOKEN_SOURCE": "ssh", **keys}
    process = subprocess.Popen(
        [program(FETCHTOKEN)],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environ,
        start_new_session=True,
        text=True,
    )
    os.close(theirs)
    shown = ""
    for prompt, answer in answers:
        shown += _read_until(ours, lambda text, prompt=prompt: prompt in text)
        os.write(ours, answer.encode() + b"\n")
    out, _ = process.communicate(timeout=60)
    shown += _read_until(ours, lambda _: False)
    os.close(ours)
    return process.returncode, out, shown


def _read_until(terminal: int, enough: Callable[[str], bool]) -> str:
    """Read what is shown until it is enough, or nobody can write any more."""
    shown = b""
    end_s = time.monotonic() + 30
    while not enough(shown.decode(errors="replace")):
        assert time.monotonic() < end_s, shown
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # all other ends are closed
            break
    return shown.decode(errors="replace")


def test_a_person_says_yes_to_an_unknown_host(keys: dict[str, str], host: SshHost, tmp_path: Path):
    """The fingerprint is shown, the key is written down for the caller alone, and the token comes."""
    keys["CODEX_SSH_KNOWN_HOSTS"] = str(tmp_path / "new")
    code, out, shown = at_a_terminal(keys, tmp_path, ("type yes", "yes"))
    assert (code, out[:3]) == (0, "eyJ")
    assert host.fingerprint in shown
    assert (tmp_path / "new").read_text() == host.known_line()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.parametrize("answer", ["y", "no", "", "SHA256:other"])
def test_anything_else_is_a_no(keys: dict[str, str], tmp_path: Path, answer: str):
    """Only the whole word, or the fingerprint itself, adds a host."""
    keys["CODEX_SSH_KNOWN_HOSTS"] = str(tmp_path / "new")
    code, out, shown = at_a_terminal(keys, tmp_path, ("type yes", answer))
    assert (code, out) == (8, "")
    assert "hint: " in shown
    assert not (tmp_path / "new").exists()


def test_the_fingerprint_can_be_typed(keys: dict[str, str], host: SshHost, tmp_path: Path):
    """Whoever pastes what the host's owner told them has compared it."""
    keys["CODEX_SSH_KNOWN_HOSTS"] = str(tmp_path / "new")
    code, _, _ = at_a_terminal(keys, tmp_path, ("type yes", host.fingerprint))
    assert code == 0


def test_a_changed_key_is_not_asked_about(keys: dict[str, str], tmp_path: Path):
    """No answer helps there."""
    other = key_pair(tmp_path / "other").with_suffix(".pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{keys['CODEX_SSH_PORT']} {other}")
    code, _, shown = at_a_terminal(keys, tmp_path)
    assert code == 8
    assert "type yes" not in shown


def test_a_passphrase_is_typed_unseen(keys: dict[str, str], host: SshHost, tmp_path: Path):
    """An encrypted key is opened, and what was typed is not on the screen."""
    keys["CODEX_SSH_KEY"] = str(host.root.parent / "locked")
    code, out, shown = at_a_terminal(keys, tmp_path, ("passphrase of", PASSPHRASE))
    assert (code, out[:3]) == (0, "eyJ")
    assert PASSPHRASE not in shown


def test_a_wrong_passphrase_is_exit_2(keys: dict[str, str], host: SshHost, tmp_path: Path):
    """It is not shown, and the key is named."""
    keys["CODEX_SSH_KEY"] = str(host.root.parent / "locked")
    code, _, shown = at_a_terminal(keys, tmp_path, ("passphrase of", "hunter2"))
    assert code == 2
    assert "the passphrase does not open the key" in shown
    assert "hunter2" not in shown


def test_a_persons_time_does_not_count(monkeypatch: pytest.MonkeyPatch):
    """The alarm stands still meanwhile, and goes on with what was left."""
    calls: list[float] = []

    def setitimer(_which: int, seconds: float) -> tuple[float, float]:
        calls.append(seconds)
        return (12.5, 0.0)

    monkeypatch.setattr("signal.setitimer", setitimer)
    with person.unhurried() as passed:
        assert calls == [0]
    assert calls == [0, 12.5]
    assert len(passed) == 1


def test_without_a_terminal_nobody_is_there(monkeypatch: pytest.MonkeyPatch):
    """Closed streams are no terminal either."""
    monkeypatch.setattr("sys.stdin", None)
    assert not person.is_there()
