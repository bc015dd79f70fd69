"""Exit codes of ``codex-broker``'s administrative commands, done by a daemon that runs."""

import json
from itertools import count
from pathlib import Path

import pytest

from tests.contract.stage import EXPIRED
from tests.contract.table import BROKER, case, cases_of, check
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer, Login
from tests.support.logins import auth_document
from tests.support.programs import Machine
from tests.support.tokens import jwt
from tests.support.wait import until_sync

FRESH = ("work", "other", "ci", "laptop", "office")
"""Names that mean others in each case, so that no case meets another's accounts and clients."""

_numbers = count(1)


class Stage(Machine):
    """A person whose daemon runs; accounts work and other and client ci are this case's own.

    Attributes:
        work: the login behind account ``work``.
    """

    def __init__(self, root: Path, issuer: Issuer, daemon: Daemon) -> None:
        super().__init__(root)
        self.environ |= {"CODEX_BROKER_HOME": str(daemon.home), "CODEX_BROKER_ISSUER_URL": issuer.url}
        self.issuer = issuer
        self.number = next(_numbers)
        self.work = issuer.mint()
        for name, login in (("work", self.work), ("other", issuer.mint())):
            daemon.hold(login, self.own(name))
        daemon.add_client(self.own("ci"), self.own("work"), self.own("other"))

    def own(self, word: str) -> str:
        """Return what a word of a command line is called in this case."""
        return f"{word}{self.number}" if word in FRESH else word

    def does(self, words: str) -> Ran:
        """Run a command line."""
        return self.broker(*map(self.own, words.split()))

    def file(self, document: object, *, mode: int = 0o600) -> str:
        """Write an auth file; return its path."""
        text = document if isinstance(document, str) else json.dumps(document)
        return str(self.write("logins/auth.json", text, mode=mode))


@pytest.fixture(scope="module")
def running(tmp_path_factory, shared_issuer):
    """A daemon that holds accounts refused, doubtful and bare."""
    issuer = shared_issuer
    with running_daemon(tmp_path_factory.mktemp("running"), issuer.url) as daemon:
        # A doubt about a live token: an expired one would be replayed by itself.
        due = {"life_s": 100_000, "age_s": 70_000}
        for name, fault, age in (("refused", "refuse-grant", EXPIRED), ("doubtful", "commit-then-500", due)):
            login = issuer.mint(**age)
            issuer.fault(fault, login_id=login.login_id)
            daemon.hold(login, name)
            until_sync(lambda name=name: daemon.call("account_show", name=name)["failures"])
        daemon.hold(Login("", auth_document(jwt(account_id="bare"), account_id="bare")), "bare")
        yield daemon


@pytest.fixture
def stage(tmp_path, shared_issuer, running):
    return Stage(tmp_path, shared_issuer, running)


# Done.


def _done() -> None:
    for words, says in {
        "--version": "codex-broker ",
        "--help": "Usage: codex-broker",
        "account list": "in_doubt",
        "account list --json": '"login_required"',
        "account show work": "active",
        "account refresh work": "not due",
        "account refresh work --force": "refreshed",
        "account rename work office": "office",
        "account disable work": "disabled",
        "account enable work": "enabled",
        "account remove work --revoke": "revoked",
        "client add laptop --account work --json": '"api_key": "cbk_',
        "client list": "ci",
        "client show ci --json": '"client": "ci',
        "client grant ci bare": "bare",
        "client ungrant ci work": "other",
        "client rotate ci": "cbk_",
        "client revoke ci": "revoked",
        "key list": "CURRENT",
        "key rotate": "rotated to key",
    }.items():

        @case(BROKER, 0, words, says=says)
        def _(stage: Stage, words: str = words) -> Ran:
            return stage.does(words)


_done()


@case(BROKER, 0, "account adopt", says="adopted")
def _(stage: Stage) -> Ran:
    path = stage.file(stage.issuer.mint().document)
    ran = stage.broker("account", "adopt", path)
    assert json.loads(Path(path).read_text())["tokens"]["refresh_token"] == ""
    return ran


@case(BROKER, 0, "account import --sole-owner", says="import")
def _(stage: Stage) -> Ran:
    path = stage.file(stage.issuer.mint().document)
    return stage.broker("account", "import", path, "--sole-owner")


# Usage.


def _usage() -> None:
    for words, says in {
        "nonsense": "nonsense",
        "--nonsense": "--nonsense",
        "account refresh": "--all",
        "account refresh work --all": "--all",
        "account rename work Office": "Office",
        "account rename work device": "device",
        "account rename work other": "other",
        "client add Laptop --account work": "Laptop",
        "client add ci --account work": "ci",
        "client add laptop": "--account",
        "client add laptop --account work --scope root": "root",
        "client add laptop --account work --expires soon": "soon",
        "client add laptop --account work --default other": "other",
        "serve --port 70000": "--port",
    }.items():

        @case(BROKER, 2, f"usage: {words}", says=says)
        def _(stage: Stage, words: str = words) -> Ran:
            return stage.does(words)


_usage()


@case(BROKER, 2, "import without --sole-owner", says="live refresh token", hint="account adopt")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "import", stage.file(stage.issuer.mint().document))


@case(BROKER, 2, "import - without --sole-owner", says="standard input", hint="account adopt FILE")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "import", "-", stdin=json.dumps(stage.issuer.mint().document))


def _old_copies() -> None:
    for words, more in (("adopt", ()), ("import", ("--sole-owner",))):

        @case(BROKER, 2, f"account {words}: an old copy", says="work")
        def _(stage: Stage, words: str = words, more: tuple[str, ...] = more) -> Ran:
            assert stage.does("account refresh work --force").code == 0
            return stage.broker("account", words, stage.file(stage.work.document), *more)

        @case(BROKER, 2, f"account {words}: a copy of what is held", says="work")
        def _(stage: Stage, words: str = words, more: tuple[str, ...] = more) -> Ran:
            return stage.broker("account", words, stage.file(stage.work.document), *more)


_old_copies()


@case(BROKER, 2, "account adopt: a broker's credential", says="broker's credential")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "adopt", stage.file(auth_document(jwt(), refresh="cbr_1")))


@case(BROKER, 2, "account adopt: another issuer's login", says="issuer.example")
def _(stage: Stage) -> Ran:
    token = jwt(iss="https://issuer.example")
    return stage.broker("account", "adopt", stage.file(auth_document(token, refresh="rt_1")))


@case(BROKER, 3, "account adopt: an API key", says="an API key", hint="codex-fetchtoken login --force")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "adopt", stage.file({"OPENAI_API_KEY": "sk-1"}))


@case(BROKER, 4, "account adopt: no such file", says="/no/such")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "adopt", "/no/such/auth.json")


@case(BROKER, 7, "account adopt: no JSON", says="auth.json is not JSON")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "adopt", stage.file("{"))


@case(BROKER, 8, "account adopt: a file that others can read", hint="chmod 600")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "adopt", stage.file(stage.issuer.mint().document, mode=0o644))


@case(BROKER, 8, "account adopt: a hard link", says="hard link", hint="samefile")
def _(stage: Stage) -> Ran:
    path = stage.file(stage.issuer.mint().document)
    (stage.home / "other").hardlink_to(path)
    return stage.broker("account", "adopt", path)


# A person, a name, a moment.


def _others() -> None:
    for code, words, says, hint in [
        (3, "account refresh refused --force", "refused", "codex-broker account login"),
        (3, "account refresh bare --force", "access only", "account adopt"),
        (4, "account show nobody", "nobody", "account list"),
        (4, "account refresh nobody", "nobody", "account list"),
        (4, "client show nobody", "nobody", "client list"),
        (4, "client add laptop --account nobody", "nobody", "account list"),
        (4, "client grant ci nobody", "nobody", "account list"),
        (5, "account refresh doubtful --force", "in doubt", "account replay doubtful"),
    ]:

        @case(BROKER, code, words, says=says, hint=hint)
        def _(stage: Stage, words: str = words) -> Ran:
            return stage.does(words)


_others()


def _issuer_busy() -> None:
    for words, route in (("refresh work --force", "/oauth/token"), ("remove work --revoke", "/oauth/revoke")):

        @case(BROKER, 5, f"account {words}: the issuer is busy")
        def _(stage: Stage, words: str = words, route: str = route) -> Ran:
            stage.issuer.fault("503", route=route, login_id=stage.work.login_id)
            return stage.does(f"account {words}")


_issuer_busy()


@case(BROKER, 1, "a bug", says="unexpected RuntimeError", hint="--verbose")
def _(stage: Stage) -> Ran:
    code = "import broker.cli.speech as module\ndef table(*_):\n    raise RuntimeError('hunter2')\n"
    path = stage.write("broken/sitecustomize.py", code + "module.table = table\n").parent
    ran = stage.broker("account", "list", PYTHONPATH=str(path))
    assert "hunter2" not in ran.err
    return ran


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_program_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
