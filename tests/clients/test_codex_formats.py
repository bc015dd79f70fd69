"""The real Codex CLI works with the file that is rendered from each tool's login."""

import json

import pytest

from fetchtoken.domain.jsontext import dumps
from fetchtoken.formats.codex_login import codex_document
from fetchtoken.formats.detect import parse_any
from tests.clients.test_codex_exec import _assert_worked
from tests.support.tool_files import TOOLS, tool_document

NOW_S = 1_796_000_000


@pytest.mark.parametrize("form", TOOLS)
def test_a_login_of_every_tool_rendered_for_codex(issuer, codex, form):
    """``codex exec`` runs a turn with it: refresh token, account and id token as Codex wants them."""
    login = issuer.mint()
    source = tool_document(form, login.access_token, login.refresh_token, account_id=login.account_id)
    (found,) = parse_any(json.dumps(source).encode(), "source")
    path = codex.home / "auth.json"
    path.touch(mode=0o600)
    path.write_text(dumps(codex_document(found, now_s=NOW_S), indent=2))
    codex.backend.accept(login.access_token)
    codex.use_auth_file()
    _assert_worked(codex, codex.run(), login.access_token)
    assert {seen.account_id for seen in codex.backend.responses} == {login.account_id}


def test_an_access_only_login_rendered_for_codex(issuer, codex):
    """Without a refresh token it is Codex's access-only form, and works as well."""
    login = issuer.mint()
    source = tool_document("opencode", login.access_token, account_id=login.account_id)
    (found,) = parse_any(json.dumps(source).encode(), "source")
    path = codex.home / "auth.json"
    path.touch(mode=0o600)
    path.write_text(dumps(codex_document(found, now_s=NOW_S)))
    codex.backend.accept(login.access_token)
    codex.use_auth_file()
    _assert_worked(codex, codex.run(), login.access_token)
