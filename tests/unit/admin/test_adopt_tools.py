"""Files of other tools: adopted in their own shape, kept fresh in it, and watched after an import."""

import json
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.dying import CODE
from tests.support.issuer import Issuer, Login
from tests.support.tool_files import ABLE, put, tool_document
from tests.unit.admin.test_adopt_crash import die

KEYS = {"cliproxy": "proxy_url", "opencode": "anthropic", "llm-interactive-proxy": "token_type"}


def document_of(form: str, login: Login) -> dict:
    tokens = login.document["tokens"]
    return tool_document(
        form, tokens["access_token"], tokens["refresh_token"], account_id=tokens["account_id"]
    )


def tool_file(broker: Broker, form: str, login: Login) -> Path:
    return put(broker.root / "tool" / "auth.json", document_of(form, login))


@pytest.mark.parametrize("form", ABLE)
def test_an_adopted_file_keeps_its_tools_shape(broker: Broker, issuer: Issuer, form: str) -> None:
    """It loses the refresh token, keeps other keys, and gets each new access token from then on."""
    assert broker.run("init").code == 0
    login = issuer.mint(email="ada@example.com", age_s=60)
    file = tool_file(broker, form, login)
    adopted = broker.run("account", "adopt", str(file), "--name", "ada")
    assert (adopted.code, adopted.out) == (0, "adopted ada\n"), adopted.err
    assert login.refresh_token not in file.read_text()
    assert login.access_token in file.read_text()
    assert broker.run("account", "refresh", "ada", "--force").out == "ada: refreshed\n"
    after = file.read_text()
    assert login.access_token not in after
    assert file.stat().st_mode & 0o777 == 0o600
    if form in KEYS:
        assert json.loads(after)[KEYS[form]] == document_of(form, login)[KEYS[form]]
    assert "1 adopted, with the token in force" in json.dumps(broker.json("check"))
    assert broker.run("account", "adopt", str(file)).out == "adopted ada\n"


@pytest.mark.parametrize("point", ["after begin", "before rewrite", "after replace", "after rewrite"])
def test_an_adoption_of_a_tools_file_that_dies(broker: Broker, issuer: Issuer, point: str) -> None:
    """The login stays in the file or in the broker, never usable in both; run again it ends well."""
    assert broker.run("init").code == 0
    login = issuer.mint(email="ada@example.com")
    file = tool_file(broker, "opencode", login)
    die(broker, point, file)
    in_file = login.refresh_token in file.read_text()
    held = [broker.json("account", "show", row["account"]) for row in broker.json("account", "list")]
    assert in_file or held, "the refresh token is nowhere"
    assert not in_file or all(account["disabled"] for account in held)
    assert broker.run("account", "adopt", str(file)).code == 0
    assert login.refresh_token not in file.read_text()
    assert broker.run("account", "refresh", "--all", "--force").code == 0
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]
    assert CODE == 137


def test_a_tool_that_refreshes_what_was_imported_is_noticed(broker: Broker, issuer: Issuer) -> None:
    """The file of an import is looked into before each exchange, whichever tool writes it."""
    assert broker.run("init").code == 0
    login = issuer.mint(email="ada@example.com", age_s=60)
    file = tool_file(broker, "cliproxy", login)
    assert broker.run("account", "import", str(file), "--sole-owner", "--name", "ada").code == 0
    status, answer = issuer.exchange(login.refresh_token)
    assert status == 200
    new = {key: answer[key] for key in ("access_token", "refresh_token")}
    put(file, {**document_of("cliproxy", login), **new})
    refused = broker.run("account", "refresh", "ada", "--force")
    assert refused.code != 0
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]
    assert broker.run("account", "adopt", str(file)).code == 0
    assert broker.run("account", "refresh", "ada", "--force").out == "ada: refreshed\n"


def test_a_disabled_file_is_adopted_disabled(broker: Broker, issuer: Issuer) -> None:
    """What its tool was told to leave alone is not served before somebody says so."""
    assert broker.run("init").code == 0
    login = issuer.mint(email="ada@example.com")
    file = put(broker.root / "tool.json", {**document_of("cliproxy", login), "disabled": True})
    adopted = broker.run("account", "adopt", str(file))
    assert "it stays disabled" in adopted.err
    (account,) = broker.json("account", "list")
    assert account["disabled"]


def test_every_account_of_a_store_comes_in(broker: Broker, issuer: Issuer) -> None:
    """One file of codex-multi-auth, a newer rotation beside it applied, a disabled account disabled."""
    assert broker.run("init").code == 0
    ada, bob = (issuer.mint(email=f"{name}@example.com") for name in ("ada", "bob"))
    accounts = [document_of("codex-multi-auth", login)["accounts"][0] for login in (ada, bob)]
    accounts[1]["enabled"] = False
    store = put(broker.root / "store.json", {"version": 3, "accounts": accounts, "activeIndex": 0})
    imported = broker.json("account", "import", str(store), "--sole-owner")
    assert [(one["account"], one["disabled"]) for one in imported] == [("ada", False), ("bob", True)]
