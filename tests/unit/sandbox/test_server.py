"""Where the sandbox issuer listens, what it says it is, who may control it."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from broker.sandbox.server import SandboxIssuer, banner, serve_sandbox
from fetchtoken.domain.errors import ConfigError, NotFound, Unsafe
from tests.support.issuer import issuer_in_thread, start_issuer_process
from tests.support.need import missing


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 - refused is what it shall be
        "::",
        "192.0.2.1",
        "example.com",
        "",
        "127.0.0.1.nip.io",
    ],
)
async def test_only_loopback(host):
    """Any address that strangers could reach is refused before a socket is made."""
    with pytest.raises(Unsafe, match="does not listen"):
        await SandboxIssuer().start(host, 0)


def _has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("127.1.2.3", "127.1.2.3"), ("::1", "[::1]")],
)
async def test_loopback_addresses(host, shown):
    """Every loopback address will do, and the URL names it."""
    if host == "::1" and not _has_ipv6():
        missing("IPv6 on loopback", "kernel setting net.ipv6.conf.lo.disable_ipv6 = 0")
    issuer = SandboxIssuer()
    await issuer.start(host, 0)
    assert re.fullmatch(rf"http://{re.escape(shown)}:\d+", issuer.url)
    assert issuer.backend_url == issuer.url + "/backend-api"
    await issuer.stop()
    await issuer.stop()


async def test_a_taken_port_is_named():
    """A busy port is an error of configuration that names it and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)) as caught:
            await SandboxIssuer().start("127.0.0.1", port)
    assert "--port" in caught.value.hint


def test_the_banner_says_what_it_is(issuer):
    """Whoever looks at it is told that it is no OpenAI."""
    status, body = issuer.ask("GET", "/")
    assert (status, body.decode()) == (200, banner(issuer.url))
    for words in (issuer.url, "sandbox issuer", "not OpenAI", "work nowhere else"):
        assert words in banner(issuer.url)


@pytest.mark.parametrize("bearer", ["", "wrong"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/logins"),
        ("GET", "/logins"),
        ("GET", "/logins/x"),
        ("POST", "/logins/x/revoke"),
        ("GET", "/faults"),
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("GET", "/log"),
        ("POST", "/settings"),
        ("GET", "/held"),
        ("POST", "/release"),
    ],
)
def test_control_wants_its_token(issuer, method, path, bearer):
    """No control route answers to anybody else."""
    assert issuer.ask(method, "/sandbox" + path, bearer=bearer)[0] == 401


@pytest.mark.parametrize(
    ("request_line", "body", "status", "words"),
    [
        ("POST /logins", {"lifes": 1}, 400, "lifes"),
        ("POST /logins", {"life_s": -1}, 400, "life_s"),
        ("POST /faults", {"name": "501"}, 400, "no fault"),
        ("POST /faults", {}, 400, "name"),
        ("POST /settings", {"error_shape": "round"}, 400, "error_shape"),
        ("POST /settings", {"life_s": 0}, 400, "life_s"),
        ("GET /log?after=x", None, 400, "after"),
        ("GET /held?count=-1", None, 400, "count"),
        ("GET /log?wait_s=nan", None, 400, "wait_s"),
        ("GET /logins/x", None, 404, "no login"),
        ("POST /logins/x/revoke", None, 404, "no login"),
    ],
)
def test_control_names_what_is_wrong(issuer, request_line, body, status, words):
    """A mistake in a control request is answered with the field or thing it is about."""
    method, path = request_line.split()
    got, raw = issuer.ask(method, "/sandbox" + path, bearer=issuer.control_token, body=body)
    assert got == status
    assert words in json.loads(raw)["detail"]


def test_control_shows_logins_and_faults(issuer):
    """Families and pending faults can be looked at."""
    login = issuer.mint(email="a@example.com")
    issuer.fault("slow", times=3, seconds=2)
    shown = json.loads(issuer.ask("GET", "/sandbox/logins", bearer=issuer.control_token)[1])["logins"]
    assert [(each["login_id"], each["email"]) for each in shown] == [(login.login_id, "a@example.com")]
    pending = json.loads(issuer.ask("GET", "/sandbox/faults", bearer=issuer.control_token)[1])
    assert pending == {"faults": [{"name": "slow", "times": 3}]}


def test_the_log_has_every_request_and_no_token(issuer):
    """Each request is in the log once, in order, by fingerprint only."""
    login = issuer.mint()
    answer = issuer.exchange(login.refresh_token)[1]
    issuer.exchange(login.refresh_token)
    issuer.alive(answer["access_token"])
    issuer.ask("POST", "/oauth/revoke", body={"token": answer["refresh_token"], "client_id": "x"})
    issuer.ask("GET", f"/{answer['access_token']}?token={answer['refresh_token']}")
    issuer.ask("GET", "/oauth/token")
    log = issuer.log()
    assert [entry["seq"] for entry in log] == [1, 2, 3, 4, 5, 6]
    assert [(entry["route"], entry["status"]) for entry in log] == [
        ("POST /oauth/token", 200),
        ("POST /oauth/token", 401),
        ("GET /backend-api/wham/usage", 401),
        ("POST /oauth/revoke", 401),
        ("GET (unknown path)", 404),
        ("GET (unknown path)", 404),
    ]
    assert {entry["login_id"] for entry in log[:4]} == {login.login_id}
    assert issuer.log(after=4) == log[4:]
    text = json.dumps(log)
    for token in (login.refresh_token, login.access_token, answer["refresh_token"], answer["access_token"]):
        assert token not in text
        assert token.split(".")[-1] not in text


async def test_the_object_does_what_control_does():
    """In one process the issuer is driven without HTTP: mint, fault, log, clock, state of a family."""
    issuer = SandboxIssuer(life_s=60)
    await issuer.start("127.0.0.1", 0)
    try:
        minted = issuer.mint(email="b@example.com")
        assert issuer.login(minted.login_id).email == "b@example.com"
        assert "rt_" not in repr(minted)
        issuer.fault("hold")
        assert (issuer.log(), await issuer.until_held(1, 0)) == ([], 0)
        assert await issuer.release() == 0
        before = issuer.now_s()
        issuer.set_offset(1000)
        assert issuer.now_s() - before >= 1000
        with pytest.raises(NotFound):
            issuer.login("nobody")
        with pytest.raises(ConfigError):
            issuer.fault("501")
    finally:
        await issuer.stop()


async def test_serve_runs_until_cancelled(tmp_path):
    """The coroutine behind the command announces, serves, and ends cleanly when cancelled."""
    import asyncio

    announced = asyncio.Queue()
    task = asyncio.create_task(
        serve_sandbox(
            "127.0.0.1", 0, state_path=tmp_path / "s.json", life_s=60, announce=announced.put_nowait
        )
    )
    issuer = await announced.get()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(issuer.url.rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with issuer_in_thread(port=int(issuer.url.rpartition(":")[2])):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_on_a_signal(tmp_path, number):
    """SIGTERM and SIGINT end it with 0, also while a request hangs."""
    with start_issuer_process(tmp_path) as (issuer, process):
        issuer.fault("hang")
        with socket.create_connection(("127.0.0.1", int(issuer.url.rpartition(":")[2]))) as peer:
            peer.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            issuer.until_logged(1)
            process.send_signal(number)
            assert process.wait(30) == 0


def test_the_process_keeps_its_control_token_private(tmp_path):
    """The control token is in a file for the owner, not in arguments or output."""
    with start_issuer_process(tmp_path) as (issuer, process):
        info = tmp_path / "sandbox-info.json"
        assert info.stat().st_mode & 0o777 == 0o600
        assert issuer.control_token.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.terminate()
        rest = process.stdout.read()
    assert issuer.control_token not in rest
    assert "not OpenAI" in rest


def test_the_process_refuses_other_addresses():
    """A refused address is exit 8 with a hint, a busy port exit 2."""
    argv = [sys.executable, "-m", "broker.sandbox", "--host", "192.0.2.1", "--port", "0"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 8
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[1].startswith("hint: use 127.0.0.1")
