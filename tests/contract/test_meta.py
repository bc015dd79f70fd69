"""The contract's rows, kept here apart from the cases: a row that is built and has no case fails.

The lists are read off the contract, not off the code: exit codes, first runs, options and sources
of the command, the broker's commands, and the HTTP API.
"""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from broker.api.problems import STATUS_OF
from fetchtoken.domain import errors
from tests.contract.table import BROKER, FETCHTOKEN, HTTP, TABLE

for _module in sorted(Path(__file__).parent.glob("test_codes_*.py")):
    import_module(f"tests.contract.{_module.stem}")

FIRST_RUNS = [
    "4 no file",
    "4 an empty file",
    "3 an API key",
    "3 a personal access token",
    "3 an agent identity",
    "3 expired, no refresh token",
    "5 expired, issuer down",
    "5 alive but short, issuer down",
    "7 the file is not JSON",
    "8 the login is readable by group",
    "4 keyring: nothing there, auth.json is not used",
    "4 ephemeral: auth.json is not used",
    "0 keyring: a live token",
    "3 keyring: expired",
    "2 keyring: the extra is missing",
    "0 keyring = auto: nothing there, the file",
]

OPTIONS = [
    "2 usage: --source nowhere",
    "2 usage: --account Work",
    "2 usage: --account device",
    "4 no account of that name",
    "4 the named file holds another account",
    "2 usage: --format xml",
    "0 --format token",
    "0 --format json",
    "0 --format env",
    "0 --format env --shell fish",
    "0 --format env --shell powershell",
    "0 --format header",
    "0 --format auth-json",
    "0 --format opencode",
    "2 usage: --min-valid soon",
    "2 usage: --min-valid 864001",
    "5 issued less than ten minutes ago",
    "0 short-lived, with --min-valid 0",
    "0 forced",
    "5 expired, with --no-refresh",
    "2 usage: --profile nobody",
    "2 usage: --timeout 0",
    "5 the refresh takes longer than --timeout",
    "0 --version",
    "0 --help",
    "0 status",
    "0 status --json",
    "0 refresh: not due",
    "0 refresh: no login",
    "0 refresh: not local",
    "0 refresh: due, renewed",
    "0 sync: an access-only file",
    "0 sync: an access-only file, from an SSH host",
    "8 sync: the file holds a refresh token",
    "0 import: a file",
    "0 import --json: a directory",
    "0 import --neutralise",
    "2 import: another account has the name",
    "2 import: an old copy",
    "3 import: an API key",
    "3 import: a login of claude",
    "4 import: no file",
    "7 import: a torn file",
    "8 import: others can read it",
    "8 import: would lose a refresh token",
    "0 doctor",
    "0 doctor --json",
    "2 doctor: a variable beats the login",
    "3 doctor: two holders of one login",
    "4 doctor: no login",
    "5 doctor: the broker is down",
    "6 doctor: the broker refuses the key",
    "7 doctor: a torn file",
    "8 doctor: two holders and an open file",
    "0 config show",
    "0 config show --json",
    "0 config get CODEX_MIN_VALID",
    "0 config set CODEX_MIN_VALID 700",
    "0 config init",
    "4 config untrust: not trusted",
]

SETTINGS = [
    "2 a settings file with a key too long",
    "2 a settings file with a value too long",
    "8 a project file, not trusted",
    "8 a project profile, not trusted",
    "0 a project file, trusted",
    "8 a project file, changed after trust",
    "0 a project file with harmless keys",
    "0 a project file that others can swap is ignored",
    "2 remote: a key and no broker",
    *(
        f"8 a project file with CODEX_SSH_{name}"
        for name in ("HOST", "PORT", "USER", "PASS", "KEY", "KNOWN_HOSTS", "COMMAND")
    ),
]

LOGINS = [
    "0 login: a device, then a token",
    "0 login NAME: the browser, then a token",
    "0 login --force: the old one is revoked last",
    "2 login: there is one already",
    "2 login: --device and --browser",
    "2 login: both ports are busy",
    "2 login: Codex keeps its login in the keyring",
    "2 login: the file is a broker's",
    "5 login: nobody approved in time",
    "5 login: the code came too late",
    "5 login: the issuer is down",
    "6 login: denied on the device page",
    "6 login: denied in the browser",
    "7 login: the issuer answers nonsense",
    "8 login: another state comes back",
    "8 login: plain http to an issuer elsewhere",
    "130 login: Ctrl-C",
]

SOURCES = [
    "0 a live token",
    "0 expired, renewed",
    "5 expired and in doubt",
    "0 in doubt, but alive",
    "8 expired, would send a broker's credential to a stranger",
    "8 expired, would send a real login to a broker",
    "8 expired, would send plain http",
    "8 the login is another user's",
    "0 remote: a token",
    "0 remote alias http: a token",
    "0 remote: the copy, without contact",
    "0 remote: 304, the copy stands",
    "0 remote: the copy, broker stopped",
    "6 remote: 401 invalid_token, and the copy is deleted",
    "6 remote: 403 not_granted, and the copy is deleted",
    "6 remote: 403 account_disabled",
    "6 remote: 403 insufficient_scope",
    "4 remote: 404 not_found",
    "2 remote: 400 account_required",
    "5 remote: 429 rate_limited",
    "3 remote: 503 login_required",
    "5 remote: 503 sealed",
    "5 remote: 503 unavailable",
    "5 remote: 503 token_expiring",
    "7 remote: a redirect",
    "7 remote: a page",
    "5 remote: broker down, no copy",
    "8 remote: plain http to another host",
    "0 remote: a token over TLS, by a private authority",
    "5 remote: an unknown authority",
    "5 remote: a certificate for another name",
    "8 remote: the key file is readable by others",
    "0 ssh: a token",
    "0 ssh: our own command there",
    "0 ssh: a key of the agent's",
    "0 ssh: an encrypted key that the agent holds",
    "2 ssh: an encrypted key that nobody holds",
    "0 ssh: a password",
    "0 ssh: a password in a file that others can read",
    "0 ssh: over a jump host",
    "8 ssh: unknown host",
    "8 ssh: the host key has changed",
    "6 ssh: our key is not let in, and the copy is deleted",
    "8 ssh: the key file is readable by others",
    "2 ssh: no host is set",
    "5 ssh: host down",
    "5 ssh: no greeting within --timeout",
    "0 ssh: the copy, without contact",
    "0 ssh: the copy, host down",
    "0 ssh: forced, the host is asked again",
    "0 ssh: the command in ~/.local/bin",
    "0 ssh: no command there, its auth.json",
    "4 ssh: neither a command nor a login there",
    "3 ssh: a stale login there",
    "0 ssh: a refresh token in the answer",
    "7 ssh: two JSON values",
    "7 ssh: output without end",
    "3 ssh: escape codes and secrets in the words there",
    *(f"{code} ssh: exit {code} there" for code in range(3, 9)),
    "7 ssh: exit 2 there",
    *(f"0 ssh,local: {code}, then a token" for code in (3, 4, 5, 7)),
    *(f"{code} ssh,local: {code} stops the list" for code in (6, 8)),
    "130 ssh: Ctrl-C",
    "130 ssh: Ctrl-C before the host answers",
    "5 ssh: the connection breaks off",
    *(f"{code} local,remote: {code}, then 6" for code in (3, 4, 5, 7)),
    *(f"0 local,remote: {code}, then a token" for code in (3, 4, 5, 7)),
    "2 remote,local: 2 no URL stops the list",
    "6 remote,local: 6 stops the list",
    "8 remote,local: 8 plain http stops the list",
    "0 join: then a token with no further setting",
    "0 join: a pinned certificate, the line as it is printed",
    "0 join --code -",
    "0 join --account work",
    "2 join: no code and no terminal",
    "2 join: a mistyped code",
    "5 join: an unknown authority",
    "5 join: a pinned certificate of another host",
    "5 join: broker down",
    "6 join: an unknown code",
    "6 join: a code that was used",
    "6 join: an expired code",
    "7 join: a page",
    "8 join: plain http to another host",
    "8 join: another certificate than the pinned one",
    "130 Ctrl-C in mid-refresh",
    "130 remote: Ctrl-C",
    "1 a bug",
]

COMMANDS = [
    "0 --version",
    "0 --help",
    "0 init",
    "0 up: SIGTERM",
    "0 up: a second run re-uses the home",
    "2 up: a busy port",
    "2 up: a second daemon on the home",
    "130 up: Ctrl-C",
    "0 serve: SIGTERM",
    "0 check --json",
    "5 check: the issuer is down",
    "130 sandbox: Ctrl-C",
    "2 settings: an unknown key",
    "2 settings: an unknown variable",
    "8 plain http from elsewhere",
    "8 plain http to an issuer elsewhere",
    "8 the home is open to others",
    "8 the home is another user's",
    "8 the master key is open to others",
    "0 serve: https",
    "8 serve: a public address in plain text",
    "2 serve: tls.cert without tls.key",
    "2 serve: the key of another certificate",
    "8 serve: the certificate's key is open to others",
    "0 check: a certificate",
    "2 check: a certificate for another host",
    "5 check: a certificate that ends in days",
    "5 check: a certificate that has expired",
    "0 account adopt",
    "2 account adopt: an old copy",
    "2 account adopt: a copy of what is held",
    "2 account import: an old copy",
    "2 import without --sole-owner",
    "0 account import --sole-owner",
    "0 account login: a new account",
    "0 account login: one that needs it",
    "2 account login: another user's",
    "2 account login Work",
    "5 account login: nobody approved in time",
    "6 account login: denied",
    "8 account login: another state comes back",
    "130 account login: Ctrl-C",
    "0 account import --sole-owner: a CCS file",
    "2 account import: a CCS file, live",
    "3 account import: a login of claude",
    "0 account adopt: an opencode file",
    "2 account adopt: no access-only form",
    "0 account list",
    "0 account list --json",
    "0 account show work",
    "0 account refresh work --force",
    "5 account refresh doubtful --force",
    "5 account refresh --force: in flight",
    "3 account refresh refused --force",
    "0 account rename work office",
    "2 usage: account rename work Office",
    "2 usage: account rename work device",
    "0 account disable work",
    "0 account enable work",
    "0 account remove work --revoke",
    "4 account show nobody",
    "0 account replay --yes",
    "2 account replay: without --yes",
    "0 account export --with-refresh-token",
    "0 client add laptop --account work --json",
    "2 usage: client add Laptop --account work",
    "4 client add laptop --account nobody",
    "0 client list",
    "0 client show ci --json",
    "4 client show nobody",
    "0 client grant ci bare",
    "0 client ungrant ci work",
    "0 client rotate ci",
    "0 client revoke ci",
    "0 invite laptop --account work",
    "0 invite: a certificate of its own is pinned",
    "0 invite --json",
    "0 client list: a code that waits",
    "0 client revoke: a code that waits",
    "2 invite: nobody knows where to join",
    "2 invite: a client of that name",
    "2 client add: a code waits for that name",
    "4 invite laptop --account nobody",
    "0 key list",
    "0 key rotate",
    "2 key rotate: systemd's copy of the key",
    "0 backup",
    "0 backup --with-key",
    "2 backup: the file exists",
    "2 backup --with-key: nobody to ask",
    "2 backup: the disk is full",
    "0 restore",
    "2 restore: into a home with a store",
    "2 restore: beside a daemon",
    "2 restore: the master key is missing",
    "2 restore: another passphrase",
    "4 restore: no such file",
    "7 restore: a cut file",
    "8 restore: a changed file",
    "8 restore: the home is another user's",
    "130 account refresh --force: Ctrl-C, by way of the daemon",
    "130 account refresh --force: Ctrl-C, without a daemon",
    "1 a bug",
]

FRONT_DOOR = [
    "0 ssh: token",
    "0 ssh: token ACCOUNT",
    "0 ssh: token --format json",
    "0 ssh: token --format env --shell fish",
    "0 ssh: token --format header",
    "0 ssh: token --format auth-json",
    "0 ssh: token --format opencode",
    "0 ssh: what the ssh source runs",
    "0 ssh: accounts",
    "0 ssh: whoami",
    "2 ssh: no such command",
    "2 ssh: several grants, no default",
    "3 ssh: refused and expired",
    "5 ssh: expired, the issuer is busy",
    "5 ssh: under --min-valid",
    "6 ssh: another's account",
    "6 ssh: disabled",
    "6 ssh: scope quota only",
    "0 client add --ssh-key",
    "0 client rotate --ssh-key -",
    "0 client rotate --no-ssh-key",
    "2 client add --ssh-key: another's key",
    "2 client add --ssh-key: a weak key",
    "2 ssh.listen: a busy port",
    "8 the host key is open to others",
]

API = [
    "200 the token of an account",
    "200 the token of the only grant",
    "200 the token of the default",
    "200 the bare token as text",
    "200 a token that lives for min_valid",
    "200 join: a code becomes a client",
    "304 the tag still stands",
    "200 who am I",
    "200 the accounts granted",
    "200 health",
    "200 ready, though the issuer is down",
    "200 openapi",
    "400 invalid_request: min_valid is no number",
    "400 account_required: several grants, no default",
    "401 invalid_token: no key",
    "401 invalid_token: unknown key",
    "401 invalid_token: expired key",
    "401 invalid_token: revoked key",
    "401 invalid_token: a code that was used",
    "403 not_granted: another's account",
    "403 account_disabled: disabled",
    "403 insufficient_scope: scope quota only",
    "404 not_found: no such path",
    "405 method_not_allowed: POST",
    "421 misdirected_request: unknown Host",
    "429 rate_limited: failures of one address",
    "429 rate_limited: attempts to join of one address",
    "429 rate_limited: reads of one client",
    "503 sealed: the box does not open",
    "503 login_required: refused and expired",
    "503 unavailable: in doubt and expired",
    "503 token_expiring: under min_valid",
    "503 sealed: not ready",
    "503 unavailable: no audit record",
    "503 unavailable: not ready, no audit record",
    "503 unavailable: not ready, no journal",
]

ACCOUNTS = [
    "0 accounts",
    "0 accounts --json",
    "0 accounts: a torn file is listed",
    "0 use work",
    "2 use: Codex keeps its login in the keyring",
    "4 use: no account of that name",
    "8 use: the account is open to others",
    "0 rename work office",
    "2 rename: the new name is taken",
    "2 rename work device",
    "4 rename: no account of that name",
    "0 logout work",
    "0 logout --all",
    "0 logout --keep-grant",
    "4 logout: no account of that name",
    "5 logout: issuer down",
    "8 logout: would send plain http",
    "0 exec: the program's own exit code",
    "2 exec: no such program",
    "4 exec: no login",
]

CONTRACT = [
    *(f"{FETCHTOKEN} {row}" for row in (*FIRST_RUNS, *OPTIONS, *SETTINGS, *LOGINS, *SOURCES, *ACCOUNTS)),
    *(f"{BROKER} {row}" for row in (*COMMANDS, *FRONT_DOOR)),
    *(f"{HTTP} {row}" for row in API),
]


def test_every_row_of_the_contract_has_a_case():
    """Whatever the contract says and this version does is brought about by the real programs."""
    assert [row for row in CONTRACT if row not in TABLE] == []
    assert len(CONTRACT) == len(set(CONTRACT))


@pytest.mark.parametrize("who", [FETCHTOKEN, BROKER])
def test_every_exit_code_has_a_case(who):
    """Both programs can end with every class of the error tree."""
    codes = {0, *(getattr(errors, name).exit_code for name in errors.__all__)}
    wanted = {(who, code) for code in codes}
    assert wanted - {(row.who, row.code) for row in TABLE.values()} == set()


def test_every_problem_has_a_case():
    """Every word of the API's problems is brought about, but that of a bug."""
    seen = {(row.code, row.cause.partition(":")[0]) for row in TABLE.values() if row.who == HTTP}
    wanted = {(status, code) for code, status in STATUS_OF.items() if code != "internal_error"}
    assert wanted - seen == set()


def test_every_case_is_run():
    """Each module of cases has the one test that runs them."""
    for module in {row.module for row in TABLE.values()}:
        names = vars(import_module(module))
        assert any(name.startswith("test_the_") for name in names), module


RAISED = {name for name in errors.__all__ if name != "Interrupted"}
WITHOUT_HINT = {
    "broker/admin/server.py": "told to our own command, which never sends such a body",
    "broker/refresh/journals.py": "the id is our own",
    "broker/sandbox/control.py": "answers over HTTP",
    "broker/sandbox/server.py": "for tests that call it",
    "broker/store/audit_writer.py": "answered over HTTP as a problem",
    "fetchtoken/net/http1.py": "the names are our own",
}


def test_every_error_says_what_to_do():
    """Whoever raises an error that ends a program gives it a hint."""
    root = Path(__file__).parents[2]
    silent = []
    for path in (*root.glob("broker/**/*.py"), *root.glob("fetchtoken/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in RAISED:
                continue
            if all(keyword.arg != "hint" for keyword in node.keywords):
                silent.append(f"{path.relative_to(root)}:{node.lineno}")
    assert [place for place in silent if place.partition(":")[0] not in WITHOUT_HINT] == []
