"""What ``up`` offers once it serves: the one line to paste next."""

import shlex
from pathlib import Path

from broker.cli.adopting import codex_home
from broker.cli.place import Place
from broker.cli.programs import program
from broker.domain.roster import Roster
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.files.guard import read_text
from fetchtoken.formats.codex import check_login, parse_auth_file

__all__ = ["next_step"]


def next_step(place: Place, roster: Roster) -> list[str]:
    """Return lines for stdout: explanations as comments, the command to paste as it is."""
    accounts = roster.accounts()
    if accounts:
        if roster.clients():
            return []
        name = accounts[0].name
        command = _command(place, "client", "add", "laptop", "--account", name)
        return [f"# next, in another terminal: a key for the machine that shall use {name}", command]
    file = codex_home() / "auth.json"
    if _is_login(file):
        return [
            f"# next, in another terminal: take over the login in {file}",
            _command(place, "account", "adopt", str(file)),
        ]
    return [
        f"# no Codex login was found in {file}; log in here, from another terminal (work is any name):",
        _command(place, "account", "login", "work"),
        "# or stop this with Ctrl-C and try everything out without a login:",
        _command(place, "up", "--sandbox"),
    ]


def _command(place: Place, *words: str) -> str:
    return shlex.join([program("codex-broker"), *words, *place.options()])


def _is_login(file: Path) -> bool:
    try:
        auth = parse_auth_file(read_text(str(file), private=False), str(file))
        check_login(auth)
    except FetchTokenError:
        return False
    return bool(auth.refresh_token)
