"""Exit codes of ``codex-fetchtoken`` where Codex keeps its login in the keyring, or in memory."""

import json
from pathlib import Path

import pytest

from fetchtoken.sources.keyring import SERVICE, keyring_key
from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.logins import auth_document, write_auth
from tests.support.programs import Machine
from tests.support.tokens import jwt
from tests.unit.sources.test_keyring import BACKEND


class Stage(Machine):
    """A machine with a keyring and a Codex configured to use it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.configure("keyring")
        plugins = self.write("plugins/ring.py", BACKEND).parent
        self.environ |= {"PYTHONPATH": str(plugins), "PYTHON_KEYRING_BACKEND": "ring.Ring", "RING": "{}"}

    def configure(self, mode: str) -> None:
        self.write(".codex/config.toml", f'cli_auth_credentials_store = "{mode}"\n')

    def file_away(self, access_token: str) -> None:
        entry = keyring_key(str(self.auth_file.parent))
        document = auth_document(access_token, refresh="rt_1")
        self.environ["RING"] = json.dumps({SERVICE: {entry: json.dumps(document)}})

    def without_the_extra(self) -> dict[str, str]:
        """Return an environment in which the extra's package cannot be imported."""
        text = "raise ImportError('not installed')\n"
        return {"PYTHONPATH": str(self.write("bare/keyring.py", text).parent)}


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@case(FETCHTOKEN, 0, "keyring: a live token")
def _(stage: Stage) -> Ran:
    token = jwt()
    stage.file_away(token)
    ran = stage.fetch()
    assert ran.out == token + "\n"
    return ran


@case(FETCHTOKEN, 0, "keyring = auto: nothing there, the file", says="eyJ")
def _(stage: Stage) -> Ran:
    stage.configure("auto")
    write_auth(stage.auth_file, jwt())
    return stage.fetch()


@case(FETCHTOKEN, 0, "keyring = auto: the extra is missing, the file", says="eyJ", notes=1)
def _(stage: Stage) -> Ran:
    stage.configure("auto")
    write_auth(stage.auth_file, jwt())
    return stage.fetch(**stage.without_the_extra())


@case(FETCHTOKEN, 2, "keyring: the extra is missing", says="keyring", hint="pip install")
def _(stage: Stage) -> Ran:
    return stage.fetch(**stage.without_the_extra())


@case(FETCHTOKEN, 2, "Codex's config.toml is not TOML", says="config.toml", hint="correct")
def _(stage: Stage) -> Ran:
    stage.write(".codex/config.toml", "cli_auth_credentials_store = keyring\n")
    return stage.fetch()


@case(FETCHTOKEN, 3, "keyring: expired", says="expired", hint="run codex once")
def _(stage: Stage) -> Ran:
    stage.file_away(jwt(1000, age_s=900))
    return stage.fetch()


@case(FETCHTOKEN, 4, "keyring: nothing there, auth.json is not used", says="keyring", hint="codex login")
def _(stage: Stage) -> Ran:
    write_auth(stage.auth_file, jwt())
    return stage.fetch()


@case(FETCHTOKEN, 4, "ephemeral: auth.json is not used", says="ephemeral", hint="CODEX_CREDENTIALS_FILE")
def _(stage: Stage) -> Ran:
    stage.configure("ephemeral")
    write_auth(stage.auth_file, jwt())
    return stage.fetch()


@case(FETCHTOKEN, 5, "keyring: locked", says="KeyringLocked", hint="unlock")
def _(stage: Stage) -> Ran:
    return stage.fetch(RING_LOCKED="1")


@case(FETCHTOKEN, 5, "keyring: short-lived", says="--min-valid", hint="--min-valid 0")
def _(stage: Stage) -> Ran:
    stage.file_away(jwt(1000))
    return stage.fetch("--min-valid", "5000")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
