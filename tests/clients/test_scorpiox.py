"""What scorpiox code asks for, by its own documentation, from a settings file shared with the command.

It reads ``KEY=VALUE`` lines, takes its token anew for each request, with ``http`` (older: ``remote``) from
``CODEX_REMOTE_URL`` with ``TOKEN_HTTP_API_KEY`` as the bearer, with ``ssh`` from the ``auth.json`` of
``CODEX_SSH_HOST``, and uses what comes as it would use Codex's file. ``curl`` and ``ssh`` are real.
"""

import getpass
import json
import subprocess

import pytest

from tests.support.frontdoor import running_front_door
from tests.support.issuer import issuer_in_thread
from tests.support.need import need_program
from tests.support.sshd import ssh_host

SHARED = ".claude/scorpiox-env.txt"
THEIRS = """\
# scorpiox code and codex-fetchtoken
PROVIDER=codex
MODEL = gpt-5.6-luna
THINKING=1
TCP_HOST=proxy.example,other.example
OPENAI_CHAT_TEMPLATE_KWARGS={"thinking_mode":"enabled"}
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    """A broker with a front door, one account, and a client ``laptop`` that has an API key and an SSH key."""
    with (
        issuer_in_thread() as issuer,
        running_front_door(tmp_path_factory.mktemp("front"), issuer.url) as found,
    ):
        found.daemon.hold(issuer.mint(email="work@x.example"), "work")
        found.client("laptop", "work")
        yield found


@pytest.fixture
def machine(front):
    """The home of somebody who uses both programs, with the key of another client in the settings."""
    return front.daemon.machine


@pytest.fixture(scope="module")
def key(front):
    return front.daemon.add_client("jobs", "work")


def share(machine, **settings):
    """Write the file that both programs read."""
    ours = "".join(f"{name}={value}\n" for name, value in settings.items())
    return machine.write(SHARED, THEIRS + ours)


def read_settings(file):
    """Read it as scorpiox does: blanks around key and value do not count, and lengths are bounded."""
    found = {}
    for line in file.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name.strip()] = value.strip()
    assert all(len(name) <= 64 and len(value) <= 512 for name, value in found.items())
    return found


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def over_http(file):
    """Ask as scorpiox does with the source ``http``."""
    settings = read_settings(file)
    bearer = f"Authorization: Bearer {settings['TOKEN_HTTP_API_KEY']}"
    return run(need_program("curl", "curl"), "-fsS", "-H", bearer, settings["CODEX_REMOTE_URL"])


def over_ssh(file, *, key, known_hosts):
    """Ask as scorpiox does with the source ``ssh``; keys and known hosts would lie in ``~/.ssh``."""
    settings = read_settings(file)
    options = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known_hosts}"]
    where = ["-i", str(key), "-p", settings["CODEX_SSH_PORT"]]
    name = f"{settings['CODEX_SSH_USER']}@{settings['CODEX_SSH_HOST']}"
    return run(need_program("ssh", "openssh-client"), *options, *where, name, "cat ~/.codex/auth.json")


def assert_a_login_without_a_refresh_token(document, token):
    """What the provider takes from a file of Codex's, however it came."""
    tokens = document["tokens"]
    assert (tokens["access_token"], tokens["refresh_token"]) == (token, "")
    assert tokens["account_id"]
    assert document["OPENAI_API_KEY"] is None
    assert document["last_refresh"].endswith("Z")


@pytest.mark.parametrize("source", ["http", "remote"])
def test_one_file_for_both_over_http(front, machine, key, source):
    """The broker's answer is the file that scorpiox expects, and the command gets the same token."""
    file = share(
        machine,
        CODEX_TOKEN_SOURCE=source,
        CODEX_REMOTE_URL=f"{front.daemon.url}/codex",
        TOKEN_HTTP_API_KEY=key,
    )
    ran = machine.fetch()
    assert (ran.code, ran.err) == (0, "")
    assert_a_login_without_a_refresh_token(over_http(file), ran.out.strip())


def ssh_settings(front, port):
    """Their keys, and those that only the command knows."""
    return {
        "CODEX_TOKEN_SOURCE": "ssh",
        "CODEX_SSH_HOST": "127.0.0.1",
        "CODEX_SSH_PORT": port,
        "CODEX_SSH_USER": getpass.getuser(),
        "CODEX_SSH_KEY": front.key("laptop").path,
        "CODEX_SSH_KNOWN_HOSTS": front.root / "hosts",
    }


def test_one_file_for_both_over_the_front_door(front, machine):
    """To whoever reads an ``auth.json`` there the door gives one, with its grants, limits and trail."""
    file = share(machine, **ssh_settings(front, front.port))
    hosts = front.root / "hosts"
    hosts.write_text(front.known_hosts.read_text())
    ran = machine.fetch("--no-cache")
    assert (ran.code, ran.err) == (0, "")
    document = over_ssh(file, key=front.key("laptop").path, known_hosts=hosts)
    assert_a_login_without_a_refresh_token(document, ran.out.strip())
    newest = front.daemon.admin_json("audit", "list", "--client", "laptop", "--limit", "1")[0]
    assert (newest["action"], newest["account"]) == ("token.served", "work")
    other = front.ssh("laptop", "cat /etc/passwd")
    assert (other.code, other.out) == (2, "")


def test_one_file_for_both_with_a_host_that_sync_keeps(front, machine, key, tmp_path):
    """Any SSH host will do whose ``auth.json`` is written by ``sync``, be there our command or not."""
    with ssh_host(tmp_path / "host") as host:
        remote = {"CODEX_REMOTE_URL": front.daemon.url, "CODEX_REMOTE_API_KEY": key}
        synced = machine.fetch(
            "--source", "remote", "sync", "--codex-home", str(host.home / ".codex"), **remote
        )
        assert synced.code == 0, synced.err
        host.admit(front.key("laptop").path)
        hosts = front.root / "hosts"
        hosts.write_text(host.known_line())
        file = share(machine, **ssh_settings(front, host.port))
        ran = machine.fetch("--no-cache")
        assert ran.code == 0, ran.err
        document = over_ssh(file, key=front.key("laptop").path, known_hosts=hosts)
        assert_a_login_without_a_refresh_token(document, ran.out.strip())


def test_what_is_scorpioxs_is_left_alone(front, machine, key):
    """Its keys are neither shown nor judged nor lost, whatever is set here afterwards."""
    file = share(machine, CODEX_TOKEN_SOURCE="http", CODEX_REMOTE_URL=f"{front.daemon.url}/codex")
    before = file.read_bytes()
    shown = machine.fetch("config", "show")
    assert (shown.code, shown.err) == (0, "")
    assert not [name for name in ("PROVIDER", "THINKING", "TCP_HOST", "MODEL") if name in shown.out]
    project = machine.write("work/.scorpiox/scorpiox-env.txt", THEIRS)
    changed = machine.fetch("config", "set", "CODEX_MIN_VALID", "900", cwd=project.parents[1])
    assert changed.code == 0, changed.err
    words = ("config", "set", "CODEX_ACCOUNT", "work", "--tier", "project")
    changed = machine.fetch(*words, cwd=project.parents[1])
    assert changed.code == 0, changed.err
    ran = machine.fetch(cwd=project.parents[1], CODEX_REMOTE_API_KEY=key)
    assert (ran.code, ran.err) == (0, "")
    assert file.read_bytes() == before
    assert project.read_text().startswith(THEIRS)


def test_a_source_that_is_only_scorpioxs_is_named(machine):
    """``tcp``, its own default, is exit 2 with file and line; an option goes past it."""
    file = share(machine, CODEX_TOKEN_SOURCE="tcp")
    ran = machine.fetch()
    assert ran.code == 2
    assert f"{file}:{len(THEIRS.splitlines()) + 1}): 'tcp' is not allowed" in ran.err
    assert machine.fetch("--source", "local").code == 4
