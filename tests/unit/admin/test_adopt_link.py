"""An adopted file that is reached through a link."""

import json
from pathlib import Path
from typing import Any

from broker.cli.adopting import adopt_file
from tests.support.issuer import Issuer


def test_a_link_that_is_pointed_elsewhere_meanwhile_costs_no_other_login(
    tmp_path: Path, issuer: Issuer
) -> None:
    """Somebody switches accounts by the link: the file that was read loses its token, no other does."""
    mine, other, link = (tmp_path / name for name in ("mine.json", "other.json", "auth.json"))
    issuer.mint().write(mine)
    issuer.mint(email="other@example.com").write(other)
    before = other.read_bytes()
    link.symlink_to(mine)

    def call(operation: str, /, **_params: Any) -> dict[str, str]:
        if operation == "account_adopt_begin":
            link.unlink()
            link.symlink_to(other)
        return {"account": "work"}

    adopt_file(call, link, None)
    assert other.read_bytes() == before
    assert json.loads(mine.read_text())["tokens"]["refresh_token"] == ""
