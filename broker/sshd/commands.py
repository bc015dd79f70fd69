"""The command lines that the front door understands. Pure; words are split as a shell splits them.

``codex-fetchtoken`` is what ``CODEX_TOKEN_SOURCE=ssh`` runs, whatever directory it is called from. Programs
that know of neither broker nor command read Codex's own file over SSH, with ``cat``.
"""

import shlex
from dataclasses import dataclass
from typing import Literal

from broker.access.tokens import LONGEST_MIN_VALID_S, parse_min_valid
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import check_name
from fetchtoken.options import FORMATS, SHELLS

__all__ = ["HELP", "Command", "Verb", "parse_command"]

HELP = f"""\
The SSH front door of a codex-broker gives out access tokens, and no shell.

  token [ACCOUNT] [--format {"|".join(FORMATS)}]
        [--shell {"|".join(SHELLS)}] [--min-valid SECONDS]
  accounts [--json]     the accounts that this key may use
  whoami [--json]       the client that this key belongs to
  cat ~/.codex/auth.json   the same as token --format auth-json

Without ACCOUNT the token is that of the only or the default account. With
CODEX_TOKEN_SOURCE=ssh and CODEX_SSH_HOST, codex-fetchtoken asks here.
"""

Verb = Literal["token", "accounts", "whoami", "help"]

_LONGEST = 4096
_NO_ERRORS = "2>/dev/null"
_HINT = "the command help lists what there is"
_VERBS: dict[str, Verb] = {
    "token": "token",
    "codex-fetchtoken": "token",
    "accounts": "accounts",
    "whoami": "whoami",
    "help": "help",
    "--help": "help",
    "-h": "help",
}
_VALUES = {
    "--account": "account",
    "-a": "account",
    "--format": "format",
    "-f": "format",
    "--shell": "shell",
    "--min-valid": "min_valid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a caller wants."""

    verb: Verb
    account: str | None = None
    """``None`` for the client's only or default account."""
    form: str = "token"
    """One of ``FORMATS``."""
    shell: str = "bash"
    """One of ``SHELLS``, for the form ``env``."""
    min_valid_s: int = 0
    as_json: bool = False


def parse_command(line: str) -> Command:
    """Return what a command line asks for.

    Args:
        line: as the client sent it; an empty one asks for help.

    Raises:
        ConfigError: it is too long, its quotes do not match, or nothing here is called so.
    """
    if len(line) > _LONGEST:
        raise ConfigError(f"the command is longer than {_LONGEST} characters", hint=_HINT)
    try:
        words = shlex.split(line)
    except ValueError:
        raise ConfigError("the quotes in the command do not match", hint=_HINT) from None
    name, *rest = words or ["help"]
    if name == "cat":
        return _file(rest)
    program = name.rpartition("/")[2]
    verb = _VERBS.get(program if program == "codex-fetchtoken" else name)
    if verb is None:
        raise ConfigError(f"there is no command {name[:40]!r} here", hint=_HINT)
    if verb == "help" or "--help" in rest:
        return Command(verb="help")
    if verb == "token":
        return _token(rest, has_argument=name == "token")
    if rest not in ([], ["--json"]):
        raise ConfigError(f"{name} takes --json and nothing else", hint=_HINT)
    return Command(verb=verb, as_json=bool(rest))


def _file(words: list[str]) -> Command:
    """Return what stands for reading a file: of all that there could be, only a login exists here."""
    names = [word for word in words if word != _NO_ERRORS]
    if len(names) != 1 or names[0].rpartition("/")[2] != "auth.json":
        raise ConfigError("there are no files here but ~/.codex/auth.json", hint=_HINT)
    return Command(verb="token", form="auth-json")


def _token(words: list[str], *, has_argument: bool) -> Command:
    values = _options(words, has_argument=has_argument)
    account = values.get("account")
    min_valid_s = parse_min_valid(values.get("min_valid", "0"))
    if min_valid_s is None:
        raise ConfigError(f"--min-valid must be 0 to {LONGEST_MIN_VALID_S} seconds", hint="--min-valid 600")
    return Command(
        verb="token",
        account=None if account is None else check_name(account, "account"),
        form=_choice(values, "format", FORMATS),
        shell=_choice(values, "shell", SHELLS),
        min_valid_s=min_valid_s,
    )


def _options(words: list[str], *, has_argument: bool) -> dict[str, str]:
    """Return values by option, given as ``--opt value``, ``--opt=value``, ``-o value`` or ``-ovalue``."""
    values: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            if not has_argument or "account" in values:
                raise ConfigError(f"{word[:40]!r} is one word too many", hint=_HINT)
            values["account"] = word
            continue
        is_long = word.startswith("--")
        name, given, value = word.partition("=") if is_long else (word[:2], word[2:], word[2:])
        if name not in _VALUES:
            raise ConfigError(f"there is no option {name[:40]!r} here", hint=_HINT)
        found = value if given else next(rest, None)
        if found is None:
            raise ConfigError(f"{name} needs a value", hint=_HINT)
        values[_VALUES[name]] = found
    return values


def _choice(values: dict[str, str], option: str, known: tuple[str, ...]) -> str:
    value = values.get(option, known[0])
    if value not in known:
        raise ConfigError(f"--{option} {value[:40]!r} is not known", hint=f"one of {', '.join(known)}")
    return value
