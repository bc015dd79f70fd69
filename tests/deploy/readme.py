"""What is walked: the blocks of deploy/README.md in their order, and what the test adds in between."""

import re
from pathlib import Path
from typing import Any

__all__ = ["HOST", "README", "blocks", "steps"]

README = Path(__file__).parents[2] / "deploy" / "README.md"
HOST = "broker.example.com"
Step = dict[str, Any]

_ISSUER = "http://127.0.0.1:7457"
_SETTING = f'[issuer]\nurl = "{_ISSUER}"\nbackend_url = "{_ISSUER}/backend-api"\n'
"""The one setting more: the sandbox in the place of the real issuer."""


def blocks() -> list[tuple[str, str]]:
    """Return the blocks as (role, text)."""
    return re.findall(r"^```sh (\S+)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def step(name: str, text: str, user: str = "root") -> Step:
    return {"name": name, "text": text, "user": user}


_PEOPLE = [
    step("alice, who has a login, and mia, who has a clone", "useradd -m alice; useradd -m mia"),
    step("a clone", "cp -r . /home/mia/codex-token-broker; chown -R mia:mia /home/mia; chmod 700 /home/*"),
    step("an authority that the machine trusts", "openssl rehash /etc/ssl/certs"),
]
_ISSUER_UP = [
    step(
        "an issuer",
        "setsid /opt/codex-broker/bin/codex-broker sandbox --port 7457 --login /root/login.json"
        " > /root/issuer.log 2>&1 < /dev/null &",
    ),
    step("its start", "until [ -s /root/login.json ]; do sleep 0.05; done"),
    step(
        "alice logs in",
        "install -d -o alice -m 700 /home/alice/.codex;"
        " install -o alice -m 600 /root/login.json /home/alice/.codex/auth.json",
    ),
]
_SERVICE = step(
    "the service as it runs",
    """\
pid=$(cat /run/standin/codex-broker.service.pid)
grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs):' /proc/$pid/status
tr '\\0' '\\n' < /proc/$pid/environ
stat -c '%A %U %n' /var/lib/codex-broker /etc/codex-broker/master.key
ls -A /var/lib/codex-broker
cat /run/standin/codex-broker.service.said
""",
)
_JOB = (
    "(printf 'Authorization: Bearer ' && cat /root/ci.key) |"
    f" curl -fsS -H @- -H 'Accept: text/plain' https://{HOST}:7455/codex; echo"
)
"""A machine's key goes only where it was joined, so here a job asks."""

_TOKEN = "~/.local/bin/codex-fetchtoken --no-cache"


def steps() -> list[Step]:
    """Return every step; the role ``container`` is left out, and the broker's own TLS comes last."""
    found = list(_PEOPLE)
    for number, (role, text) in enumerate(blocks()):
        name = f"{number} {role}: {text.splitlines()[0]}"
        if role == "server":
            found += [step(name, text), *_after(number, text)]
        elif role == "machine":
            found.append(step(name, text, "mia"))
            if "--code -" in text:
                (invited,) = (one["name"] for one in found if "codex-broker invite" in one["name"])
                found[-1]["stdin"] = [invited, r"--code (\S+)"]
    (own_tls,) = (text for role, text in blocks() if role == "own-tls")
    found.append(step("own TLS", own_tls.replace("[tls]\n", f"{_SETTING}\n[tls]\n")))
    found.append(step("own TLS: a token", _JOB))
    return found


def _after(number: int, text: str) -> list[Step]:
    """Return what the test does after a block on the server."""
    if "useradd" in text:
        return _ISSUER_UP
    if "broker.toml" in text:
        return [step("the one setting", f"printf '%s' '{_SETTING}' >> /var/lib/codex-broker/broker.toml")]
    if "codex-broker invite" in text:
        return [_SERVICE]
    if text.startswith("systemctl restart"):
        # What follows is an upgrade, and this makes the clone a newer one.
        newer = step(
            "a newer clone", "sed -i 's/__version__ = .*/__version__ = \"9.9.9\"/' fetchtoken/__init__.py"
        )
        return [step(f"{number} a token", _TOKEN, "mia"), newer]
    if "--upgrade" in text:
        return [step("the version", "codex-broker --version"), step(f"{number} a token", _TOKEN, "mia")]
    if "master.key /etc/codex-broker/master.key" in text and "init" not in text and "rotat" not in text:
        return [step("the key before", "cat /etc/codex-broker/master.key")]
    if "key rotate" in text:
        keys = "cat /etc/codex-broker/master.key; codex-broker key list --json"
        return [step("the key after", keys), step(f"{number} a token", _TOKEN, "mia")]
    return []
