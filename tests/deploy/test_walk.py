"""deploy/README.md, followed word by word in an empty root: from ``useradd`` to another master key.

The README's blocks are run as they stand, those for the server as root, those for a machine as
another user. What the test adds: people, names and certificates that a real place has, the sandbox
for an issuer, which is the one setting more, and a ``systemctl`` that carries the units out itself.
"""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import trustme

from tests.deploy.readme import HOST, README, blocks, steps
from tests.support.need import missing, need_program, need_root
from tests.support.wheels import write_wheels

ROOT = README.parents[1]
INSIDE = ROOT / "tests" / "emptyroot" / "inside.py"
SPACES = ("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child")
NEEDED = {
    "nginx": "nginx-light",
    "unshare": "util-linux",
    "ip": "iproute2",
    "openssl": "openssl",
    "curl": "curl",
}
LIMIT_S = 500


def certificates(authority):
    """Return the files of a certificate for the broker's name, and of its authority, whom all trust."""
    issued = authority.issue_cert(HOST)
    return {
        f"etc/ssl/{HOST}/fullchain.pem": "".join(blob.bytes().decode() for blob in issued.cert_chain_pems),
        f"etc/ssl/{HOST}/privkey.pem": issued.private_key_pem.bytes().decode(),
        "etc/ssl/certs/authority.pem": authority.cert_pem.bytes().decode(),
        "etc/ssl/certs/ca-certificates.crt": authority.cert_pem.bytes().decode(),
        "etc/hosts": f"127.0.0.1 localhost {HOST}\n",
    }


def clone(place: Path) -> Path:
    """Copy what a clone has."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("broker", "fetchtoken", "deploy", "systemd"):
        shutil.copytree(ROOT / name, place / "clone" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, place / "clone" / name)
    return place / "clone"


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Every step that was taken, by its name; one that failed is the last."""
    need_root("namespaces, users and mounts")
    for program, package in NEEDED.items():
        need_program(program, package)
    if subprocess.run([*SPACES, "true"], capture_output=True, check=False).returncode:
        missing("the right to make namespaces", "CAP_SYS_ADMIN")
    place = tmp_path_factory.mktemp("walk")
    for name in ("wheels", "root"):
        (place / name).mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    write_wheels(place / "wheels", *project["project"]["dependencies"], *project["build-system"]["requires"])
    plan = {
        "root": str(place / "root"),
        "clone": str(clone(place)),
        "wheels": str(place / "wheels"),
        "files": certificates(trustme.CA()),
        "steps": steps(),
    }
    (place / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        [*SPACES, "/usr/bin/python3", str(INSIDE), str(place / "plan.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.stderr == ""
    return {told["name"]: told for told in map(json.loads, done.stdout.splitlines())}


def test_blocks_say_whose_they_are():
    """A block without a role would be followed by nobody."""
    roles = {role for role, _ in blocks()}
    assert roles == {"server", "machine", "own-tls", "container"}
    assert README.read_text().count("\n```sh") == len(blocks()) + 1, "all but the container's ENTRYPOINT"


@pytest.mark.reliability
@pytest.mark.timeout(LIMIT_S + 100)
def test_every_block_can_be_followed(walked):
    """Each command ends well, and what is there afterwards is what was said."""
    last = list(walked.values())[-1]
    assert last["code"] == 0, f"{last['name']}\n{last['out']}\n{last['err']}"
    assert list(walked) == [step["name"] for step in steps()]
    tokens = {
        name: told["out"]
        for name, told in walked.items()
        if name.endswith("a token") or " join " in name or "client add ci" in name
    }
    assert len(tokens) == 6
    assert all(said.splitlines()[-1].startswith("ey") for said in tokens.values()), tokens

    service = walked["the service as it runs"]["out"]
    assert "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1" in service
    assert "Uid:\t0" not in service
    assert "CREDENTIALS_DIRECTORY=/run/credentials/codex-broker.service" in service
    assert "drwx------ codex-broker /var/lib/codex-broker\n" in service
    assert "-rw------- root /etc/codex-broker/master.key\n" in service
    assert "\nmaster.key\n" not in service, "the home has no key"
    assert '["WATCHDOG=1"]' in service
    assert "codex-broker 9.9.9" in walked["the version"]["out"]

    (backups,) = (told["out"] for name, told in walked.items() if "start codex-broker-backup" in name)
    assert backups.count(".backup\n") == 2, "the timer's and this one"
    before = json.loads(walked["the key before"]["out"])
    document, _, listed = walked["the key after"]["out"].partition("\n}\n")
    after = json.loads(document + "}")
    assert before["current"] != after["current"]
    assert [key["key_id"] for key in json.loads(listed)] == list(after["keys"]) == [after["current"]]
