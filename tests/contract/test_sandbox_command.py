"""``codex-broker sandbox``: an issuer on loopback that says what it is."""

import json
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

from tests.support.broker import BROKER, Broker
from tests.support.issuer import Issuer


def test_it_says_what_it_is_and_gives_a_login(tmp_path: Path) -> None:
    """The banner names address and purpose; login and control token lie in files of mode 600."""
    person = Broker(tmp_path, None)
    login, info = tmp_path / "auth.json", tmp_path / "info.json"
    with subprocess.Popen(
        [*BROKER, "sandbox", "--port", "0", "--login", str(login), "--info", str(info)],
        env={**person.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        assert "it is not OpenAI" in process.stdout.readline()
        found = json.loads(info.read_text())
        assert first == f"sandbox {found['url']}"
        document = json.loads(login.read_text())
        issuer = Issuer(found["url"], found["control_token"])
        assert issuer.alive(document["tokens"]["access_token"])
        assert {path.stat().st_mode & 0o777 for path in (login, info)} == {0o600}
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "codex-broker: interrupted\n")


def test_a_busy_port_and_a_file_that_cannot_be(tmp_path: Path) -> None:
    """Both are exit 2, naming the port with its option, or the file."""
    person = Broker(tmp_path, None)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        busy = person.run("sandbox", "--port", port)
    assert (busy.code, port in busy.err, "--port" in busy.err) == (2, True, True)
    nowhere = person.run("sandbox", "--port", "0", "--login", "/nonexistent/auth.json")
    assert nowhere.code == 2
    assert nowhere.err.startswith("codex-broker: /nonexistent/auth.json cannot be written: ")
