"""The front door with the real ``ssh``: who gets in, what comes out, and all that is refused."""

import io
import json
import os
import pty
import socket
import subprocess
from contextlib import ExitStack, suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fetchtoken.domain.claims import decode_claims
from tests.support.command import Ran
from tests.support.frontdoor import FrontDoor, Key
from tests.support.need import need_program
from tests.support.wait import until_sync

REFUSED = 255
"""What ``ssh`` itself ends with."""

TOGETHER = 50


def is_token(text: str) -> bool:
    return text.endswith("\n") and decode_claims(text.rstrip("\n")) is not None


def read_all(terminal: io.FileIO) -> str:
    """Return what is shown until the other side is closed, which Linux tells as an error."""
    shown = b""
    with suppress(OSError):
        while some := terminal.read(4096):
            shown += some
    return shown.decode()


def answered(stream: socket.socket, request: bytes) -> bytes:
    """Send a request and return the first byte of an answer; nothing where there is none."""
    with suppress(ConnectionError):
        stream.sendall(request)
        return stream.recv(1)
    return b""


def denied(ran: Ran) -> bool:
    return (ran.code, ran.out) == (REFUSED, "") and "Permission denied (publickey)." in ran.err


# Who gets in.


def test_a_client_gets_its_token_with_the_files_that_were_handed_out(front: FrontDoor):
    """Key, printed line of known_hosts and the word token are all that it takes; any user name will do."""
    ran = front.ssh("laptop", "token")
    assert (ran.code, ran.err) == (0, "")
    assert is_token(ran.out)
    assert front.ssh("laptop", "token", "work").out == ran.out


def test_it_is_recorded_before_it_leaves(front: FrontDoor):
    """The trail names client, account, address and key; the request line says by which way."""
    front.ssh("laptop", "token", "work")
    newest = front.daemon.admin_json("audit", "list", "--client", "laptop", "--limit", "1")
    assert newest[0]["action"] == "token.served"
    assert newest[0]["detail"] == f"ssh {front.key('laptop').fingerprint}"
    assert newest[0]["peer"] == "127.0.0.1"
    until_sync(lambda: any(line["request_id"] == newest[0]["request_id"] for line in front.requests()))
    line = front.requests()[-1]
    assert {"route": "token", "client": "laptop", "account": "work", "status": 0}.items() <= line.items()


def test_a_key_that_nobody_has_is_refused(front: FrontDoor):
    """Without a client's key there is no command, whatever it is."""
    assert denied(front.ssh("stranger", "token"))
    assert denied(front.ssh("stranger", "help"))


def test_no_password_is_even_asked_for(front: FrontDoor):
    """Public keys are all that is offered."""
    more = ("-o", "PreferredAuthentications=password,keyboard-interactive,none", "-o", "BatchMode=no")
    assert denied(front.ssh("laptop", "token", more=more))


def test_a_signature_over_sha1_is_refused(front: FrontDoor):
    """An RSA key works, but not as ``ssh-rsa``, which modern servers no longer take (RFC 8332)."""
    pair = rsa.generate_private_key(65537, 2048)
    key = Key(front.root / "old")
    key.path.touch(mode=0o600)
    key.path.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.public.write_bytes(pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n")
    front.keys["old"] = key
    front.client("old", "work")
    assert front.ssh("old", "token").code == 0
    assert denied(front.ssh("old", "token", more=("-o", "PubkeyAcceptedAlgorithms=ssh-rsa")))


@pytest.mark.parametrize("end", ["revoke", "expire", "take the key away"])
def test_a_client_that_ended_is_refused_on_new_and_on_open_connections(front: FrontDoor, end: str):
    """Within a second its next command is exit 6, and its next connection is not let in."""
    name = end.replace(" ", "-")
    front.client(name, "work", **({"expires_s": 4} if end == "expire" else {}))
    shared = ("-o", f"ControlPath={front.root / 'open'}-{end[0]}")
    master = front.command(name, more=(*shared, "-M", "-N"))
    with subprocess.Popen(master, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            until_sync(lambda: front.ssh(name, more=(*shared, "-O", "check")).code == 0)
            assert front.ssh(name, "token", more=shared).code == 0
            if end == "revoke":
                front.daemon.call("client_revoke", name=name)
            elif end != "expire":
                front.daemon.call("client_ssh_keys", name=name, ssh_keys=None)
            until_sync(lambda: front.ssh(name, "token", more=shared).code != 0)
            ran = front.ssh(name, "token", more=shared)
            assert (ran.code, ran.out) == (6, "")
            assert ran.err.startswith("codex-broker: the SSH key is unknown, expired or revoked\nhint: ")
        finally:
            process.terminate()
    assert denied(front.ssh(name, "token"))


def test_a_key_that_was_replaced_is_refused_and_the_new_one_works(front: FrontDoor):
    """``client rotate --ssh-key`` is in force at once, and leaves the API key as it is."""
    front.client("rotated", "work")
    new = front.key("new")
    ran = front.daemon.admin("client", "rotate", "rotated", "--ssh-key", str(new.public))
    assert (ran.code, ran.out) == (0, f"rotated has {new.fingerprint}\n")
    assert f"ssh -p {front.port} 127.0.0.1 token" in ran.err
    assert ran.err.splitlines()[-1] == front.known_hosts.read_text().strip()
    assert denied(front.ssh("rotated", "token"))
    assert front.ssh("new", "token").code == 0


# What comes out.


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        ("token --format json", '{"access_token":"ey'),
        ("token --format header", "Authorization: Bearer ey"),
        ("token --format env --shell powershell", "$env:OPENAI_CODEX_ACCESS_TOKEN = 'ey"),
        ("token --format auth-json", '{\n  "auth_mode": "chatgptAuthTokens"'),
        ("token --format opencode", '{"openai":'),
        ("codex-fetchtoken --format json --account 'work' --min-valid 600", '{"access_token":"ey'),
        ("accounts", "ACCOUNT  PLAN"),
        ("accounts --json", "[\n"),
        ("whoami", "client:"),
        ("whoami --json", "{\n"),
        ("help", "The SSH front door"),
    ],
)
def test_each_command_answers(front: FrontDoor, words: str, starts: str):
    """Every form of a token, and the lists."""
    ran = front.ssh("laptop", words)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(starts)


def test_no_refresh_token_leaves(front: FrontDoor):
    """Whatever is asked for, the broker keeps what it refreshes with."""
    document = json.loads(front.ssh("laptop", "token --format auth-json").out)
    assert document["tokens"]["refresh_token"] == ""


def test_a_terminal_is_not_given(front: FrontDoor):
    """Who insists on one gets nothing else either: a token belongs into a pipe."""
    ran = front.ssh("laptop", "token", more=("-tt",))
    assert (ran.code, ran.out) == (REFUSED, "")
    assert "PTY allocation request failed" in ran.err


def test_a_person_at_a_terminal_gets_help_instead_of_a_shell(front: FrontDoor):
    """``ssh broker`` as people type it asks for a terminal and for a shell, and gets neither."""
    near, far = pty.openpty()
    with subprocess.Popen(front.command("laptop"), stdin=far, stdout=far, stderr=far) as process:
        os.close(far)
        with os.fdopen(near, "rb", buffering=0) as terminal:
            shown = read_all(terminal)
    assert process.returncode == 2
    assert "The SSH front door" in shown


def test_input_is_not_read(front: FrontDoor):
    """Whoever pipes something in gets the answer all the same."""
    ran = front.ssh("laptop", "token", stdin="x" * 200_000)
    assert ran.code == 0
    assert is_token(ran.out)


def test_variables_of_the_caller_are_refused(front: FrontDoor):
    """Nothing that a client sends as environment changes anything, or is kept."""
    more = ("-o", "SetEnv=CODEX_ACCOUNT=nobody LANG=C", "-o", "LogLevel=DEBUG2")
    ran = front.ssh("laptop", "token", more=more)
    assert ran.code == 0
    assert is_token(ran.out)


# What is refused.


def test_who_wants_a_shell_gets_help_and_exit_2(front: FrontDoor):
    """There is no shell, and what is typed into it goes nowhere."""
    ran = front.ssh("laptop", stdin="id\n")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("The SSH front door")


@pytest.mark.parametrize(
    "line",
    [
        "id",
        "sh -c 'codex-fetchtoken --format json'",
        "command -v codex-fetchtoken",
        "scp -f x",
        "token; id",
        "token | id",
    ],
)
def test_no_other_command_is_run(front: FrontDoor, line: str):
    """Anything else is exit 2 in one line and a hint: 127 would make the ssh source look for files."""
    ran = front.ssh("laptop", line)
    assert (ran.code, ran.out) == (2, "")
    assert [text.partition(": ")[0] for text in ran.err.splitlines()] == ["codex-broker", "hint"]


def test_a_long_command_is_refused_and_the_connection_lives(front: FrontDoor):
    """What is longer than any command of ours is not even parsed."""
    ran = front.ssh("laptop", "token " + "a" * 100_000)
    assert ran.code == 2
    assert "longer than 4096 characters" in ran.err
    assert len(ran.err) < 200


def test_files_are_not_copied(front: FrontDoor):
    """No sftp, and no scp by either of its protocols."""
    target = front.root / "copied"
    for words in (["sftp"], ["scp", "-s"], ["scp", "-O"]):
        program = need_program(words[0], "openssh-client")
        place = ["127.0.0.1"] if words == ["sftp"] else ["127.0.0.1:/etc/hostname", str(target)]
        options = front.options("laptop", "-P", str(front.port))
        ran = front.run([program, *words[1:], *options, *place])
        assert ran.code != 0
        assert not target.exists()


@pytest.mark.parametrize("name", ["sftp", "netconf", "x" * 1000])
def test_there_are_no_subsystems(front: FrontDoor, name: str):
    """A subsystem of any name is refused."""
    assert front.ssh("laptop", name, more=("-s",)).code == REFUSED


@pytest.mark.parametrize("way", ["-R0:127.0.0.1:1", "-R{}/there.sock:127.0.0.1:1"])
def test_nothing_is_listened_on_for_a_client(front: FrontDoor, way: str):
    """Remote forwarding is refused, of ports and of sockets."""
    ran = front.ssh("laptop", "token", more=(way.format(front.root), "-o", "ExitOnForwardFailure=yes"))
    assert ran.code == REFUSED
    assert "forwarding failed" in ran.err
    assert not (front.root / "there.sock").exists()


def test_nothing_is_connected_to_for_a_client(front: FrontDoor):
    """The broker's own loopback ports and sockets cannot be reached through the door."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        ran = front.ssh("laptop", more=("-W", f"127.0.0.1:{inside.getsockname()[1]}"))
        assert ran.code == REFUSED
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()
    socket_file = front.daemon.home / "admin.sock"
    more = ("-N", "-L", f"{front.root}/here.sock:{socket_file}", "-o", "ExitOnForwardFailure=yes")
    with subprocess.Popen(front.command("laptop", more=more), stderr=subprocess.DEVNULL) as process:
        try:
            until_sync((front.root / "here.sock").exists)
            with socket.socket(socket.AF_UNIX) as here:
                here.connect(str(front.root / "here.sock"))
                assert answered(here, b"POST /v1/admin/accounts_list HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        finally:
            process.terminate()


def test_agent_and_display_are_not_forwarded(front: FrontDoor):
    """A client may ask for them; it gets its token and no forwarding."""
    agent = need_program("ssh-agent", "openssh-client")
    command = front.command("laptop", "token", more=("-A", "-X", "-o", "LogLevel=INFO"))
    ran = front.run([agent, *command])
    assert ran.code == 0
    assert is_token(ran.out)


# Many, and slow ones.


def test_fifty_at_once_all_get_their_token(front: FrontDoor):
    """A burst of jobs with one key is no trouble."""
    command = front.command("laptop", "token")
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            for _ in range(TOGETHER)
        ]
        answers = [process.communicate(timeout=90)[0] for process in started]
    assert [process.returncode for process in started] == [0] * TOGETHER
    assert len(set(answers)) == 1
    assert is_token(answers[0])


def test_visitors_who_say_nothing_or_nonsense_harm_nobody(front: FrontDoor):
    """Connections that are silent, slow or wild take their places, and others still get tokens."""
    with ExitStack() as stack:
        for number in range(60):
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", front.port)))
            if number % 3:
                stream.sendall(b"SSH-2.0-x\r\n" if number % 3 == 1 else bytes(range(256)) * 8)
        assert front.ssh("laptop", "token").code == 0
        assert front.daemon.get("/healthz").status == 200


def test_the_host_key_is_the_one_that_is_told(front: FrontDoor):
    """``ssh-keyscan``, ``check`` and the log agree on it."""
    keyscan = need_program("ssh-keyscan", "openssh-client")
    ran = front.run([keyscan, "-p", str(front.port), "127.0.0.1"])
    assert ran.out == front.known_hosts.read_text()
    door = front.daemon.call("ssh_door")
    checked = {row["check"]: row for row in front.daemon.admin_json("check")}
    assert checked["ssh"]["ok"]
    assert door["fingerprint"] in checked["ssh"]["detail"]
    assert door["known_hosts"] in checked["ssh"]["detail"]
    assert f'"host_key": "{door["fingerprint"]}"' in front.daemon.log


def test_a_restart_keeps_the_host_key_and_the_clients(front: FrontDoor):
    """Whoever knows the broker still knows it after a crash, and is known."""
    front.daemon.kill()
    front.daemon.start("serve")
    assert is_token(front.ssh("laptop", "token").out)


def test_no_token_or_command_is_in_the_log(front: FrontDoor):
    """The log says who and how it ended; neither what was given out nor what was typed."""
    token = front.ssh("laptop", "token").out.strip()
    front.ssh("laptop", "hunter2 s3cret")
    until_sync(lambda: front.requests()[-1].get("code") == "invalid_request")
    assert token not in front.daemon.log
    assert "hunter2" not in front.daemon.log
