"""The real Codex CLI logs in at the sandbox, and takes and renews what our own login wrote."""

import json
import re
import subprocess

from fetchtoken.domain.secret import Secret
from tests.support.backend import REPLY
from tests.support.codex_cli import LIMIT_S
from tests.support.programs import Machine
from tests.support.visitor import approve_device
from tests.support.walking import start_login

CODE = re.compile(r"\b[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}\b")


def environment(codex, issuer):
    """Return one in which the issuer, and nobody else, gives and renews tokens."""
    kept = codex.environment({"CODEX_REVOKE_TOKEN_URL_OVERRIDE": issuer.revoke_url})
    return {key: value for key, value in kept.items() if key != "CODEX_REFRESH_TOKEN_URL_OVERRIDE"}


def test_codexs_own_device_login_works_at_the_sandbox(codex, issuer):
    """``codex login --device-auth`` gets its code and its tokens, and our command renews what it wrote."""
    codex.use_auth_file()
    issuer.settings(device_interval_s=1)
    words = [codex.binary, "login", "--device-auth", "--experimental_issuer", issuer.url]
    with subprocess.Popen(
        words,
        env=environment(codex, issuer),
        cwd=codex.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if found := CODE.search(re.sub(r"\x1b\[[0-9;]*m", "", line)):
                assert approve_device(issuer.url, found[0]).status == 200
        assert process.wait(LIMIT_S) == 0, said
    tokens = json.loads((codex.home / "auth.json").read_text())["tokens"]
    assert tokens["oauth_provenance"]["issuer"] == issuer.url
    machine = Machine(codex.home)
    ran = machine.fetch("--force-refresh", CODEX_HOME=str(codex.home))
    assert ran.code == 0, ran
    assert issuer.alive(ran.out.strip())


def test_codex_takes_and_renews_what_our_login_wrote(codex, issuer, tmp_path):
    """A turn with the new login; and once its token has ended, Codex renews it itself, at its own issuer."""
    codex.use_auth_file()
    issuer.settings(life_s=1000)
    machine = Machine(tmp_path)
    ran = start_login(machine, issuer, CODEX_HOME=str(codex.home)).approve_device().ended()
    assert ran.code == 0, ran
    file = codex.home / "auth.json"
    before = json.loads(file.read_text())["tokens"]
    codex.backend.accept(before["access_token"])
    first = _turn(codex, issuer)
    assert (first.returncode, first.stdout.strip()) == (0, REPLY), first.stderr
    document = json.loads(file.read_text())
    old = issuer.mint(life_s=1000, age_s=2000).access_token
    document["tokens"]["access_token"] = old
    file.write_text(json.dumps(document))
    second = _turn(codex, issuer)
    after = json.loads(file.read_text())["tokens"]
    assert after["refresh_token"] != before["refresh_token"], second.stderr
    assert issuer.alive(after["access_token"])
    assert after["login_owner_id"] == before["login_owner_id"]
    assert {entry["decision"] for entry in issuer.exchanges()} == {"logged in", "rotated"}
    assert Secret(old).fingerprint() not in {seen.bearer for seen in codex.backend.responses}


def _turn(codex, issuer):
    return subprocess.run(
        [codex.binary, "exec", "--skip-git-repo-check", "hi"],
        env=environment(codex, issuer),
        cwd=codex.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
