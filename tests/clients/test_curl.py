"""The real ``curl``, as the READMEs write it: with a token of ours, and as a client of the broker."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import BIN
from tests.support.backend import running_backend
from tests.support.need import need_program
from tests.support.peers import OK, Peer, read_request
from tests.support.wait import until_sync

REFUSED = 22
"""What ``curl -f`` ends with where the answer is an error."""


@pytest.fixture
def backend(team):
    """Takes the token that is current, and no other."""
    with running_backend() as found:
        found.accept(team.fetchtoken().strip())
        yield found


@pytest.fixture
def shell(team, tmp_path):
    """Run a line of bash; the API key lies in a file, as on a client's machine."""
    need_program("curl", "curl")
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), **team.remote}
    environment["URL"] = team.remote["CODEX_REMOTE_URL"]

    def run(line, **more):
        return subprocess.run(
            ["bash", "-c", line],
            env=environment | more,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    (tmp_path / "broker.curl").touch(mode=0o600)
    key = Path(team.remote["CODEX_REMOTE_API_KEY_FILE"]).read_text().strip()
    (tmp_path / "broker.curl").write_text(
        f'url = "{environment["URL"]}/codex"\nheader = "Authorization: Bearer {key}"\n'
    )
    return run


def sent(backend):
    return {(seen.path, seen.status) for seen in backend.requests}


WAYS = {
    "a pipe": 'codex-fetchtoken -f header | curl -sS -H @- "$BACKEND/x"',
    "a file that is none": 'curl -sS -H @<(codex-fetchtoken -f header) "$BACKEND/x"',
}


@pytest.mark.parametrize("line", WAYS.values(), ids=WAYS)
def test_a_request_with_the_header_format(backend, shell, line):
    """The backend takes the bearer: it answers that there is no such page, and not 401."""
    ran = shell(line, BACKEND=backend.url)
    assert (ran.returncode, ran.stdout) == (0, "{}"), ran.stderr
    assert sent(backend) == {("/x", 404)}


@pytest.mark.parametrize("line", WAYS.values(), ids=WAYS)
def test_no_command_line_holds_the_token(team, shell, line):
    """While the request is under way, nothing of it stands in the list of processes."""
    token = team.fetchtoken().strip()
    asked, seen = [], []

    def script(_, connection):
        asked.append(read_request(connection))
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(file.read_bytes())
            except OSError:  # it has ended
                continue
        connection.sendall(OK)

    with Peer(script) as peer:
        assert shell(line, BACKEND=f"http://127.0.0.1:{peer.port}").stdout == "hello"
        until_sync(lambda: seen)
    assert token.encode() in asked[0]
    assert any(b"curl" in line for line in seen)
    assert not any(token.encode() in line for line in seen)


def test_the_bare_token_from_the_broker(team, shell):
    """With the key in a file of curl's own, and with a key in a variable, which ``printf`` alone sees."""
    token = team.fetchtoken()
    ran = shell('curl -fsS -K broker.curl -H "Accept: text/plain"')
    assert (ran.returncode, ran.stdout + "\n") == (0, token), ran.stderr
    key = Path(team.remote["CODEX_REMOTE_API_KEY_FILE"]).read_text().strip()
    header = """printf 'Authorization: Bearer %s' "$KEY" """
    line = f"""{header} | curl -fsS -H @- -H 'Accept: text/plain' "$URL/codex" """
    assert shell(line, KEY=key).stdout + "\n" == token


def test_a_file_that_is_written_anew_only_after_a_rotation(team, shell, tmp_path):
    """304 leaves the file as it is; the new token comes with the first answer that has one."""
    etags = "--etag-compare etag --etag-save etag"
    line = f"umask 077; curl -fsS -K broker.curl {etags} -o new.json -w '%{{http_code}}'"
    line += " && if [ -s new.json ]; then mv new.json auth.json; fi"
    file = tmp_path / "auth.json"
    first = shell(line)
    assert (first.returncode, first.stdout) == (0, "200"), first.stderr
    before = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(before)["access_token"] == team.fetchtoken().strip()
    assert [shell(line).stdout, shell(line).stdout] == ["304", "304"]
    assert file.read_bytes() == before
    token = team.rotate()
    assert shell(line).stdout == "200"
    assert json.loads(file.read_bytes())["access_token"] == token


def test_a_refused_key_is_an_exit_code_and_no_token(team, shell, tmp_path):
    """``-f`` makes an error of it, and a pipeline has nothing to go on with."""
    (tmp_path / "broker.curl").write_text(f'url = "{team.remote["CODEX_REMOTE_URL"]}/codex"\n')
    ran = shell("curl -fsS -K broker.curl -H 'Accept: text/plain'")
    assert (ran.returncode, ran.stdout) == (REFUSED, "")
    assert "401" in ran.stderr
