"""A machine whose Codex login comes from the sandbox issuer."""

import json
from pathlib import Path

from tests.support.issuer import Issuer, Login
from tests.support.programs import Machine

__all__ = ["EXPIRED", "REFRESH_URL", "SHORT", "Stage"]

EXPIRED = {"life_s": 1000, "age_s": 900}
SHORT = {"life_s": 2000, "age_s": 900}
REFRESH_URL = "CODEX_REFRESH_TOKEN_URL_OVERRIDE"


class Stage(Machine):
    """A machine whose logins come from the sandbox."""

    def __init__(self, root: Path, issuer: Issuer) -> None:
        super().__init__(root)
        self.issuer = issuer
        self.environ[REFRESH_URL] = issuer.token_url
        self.auth_file.parent.mkdir()

    def login(self, *, fault: str = "", **wishes: int) -> Login:
        """Put a login where Codex keeps it; the next exchange of it meets the fault."""
        login = self.issuer.mint(**wishes)
        login.write(self.auth_file)
        if fault:
            self.issuer.fault(fault, login_id=login.login_id)
        return login

    def document(self, **fields: object) -> None:
        """Put a file of another shape there."""
        self.auth_file.write_text(json.dumps(fields))
        self.auth_file.chmod(0o600)
