"""Files of every tool, with what they hold, as data: ``tests/vectors/formats``."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.jsontext import dumps
from fetchtoken.formats.codex import check_login, parse_auth_file
from fetchtoken.formats.codex_login import codex_document, login_of
from fetchtoken.formats.detect import FORMATS, format_of, parse_any, parse_document, parse_parsed
from fetchtoken.formats.login import Login

FILES = sorted((Path(__file__).parents[2] / "vectors" / "formats").glob("*.json"))
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in FILES
    for case in json.loads(file.read_text())
]
GOOD = [case for case in CASES if "logins" in case.values[0]]
NOW_S = 1_790_000_500


def content(case) -> bytes:
    if "base64" in case:
        return b64decode(case["base64"])
    return (case["text"] if "text" in case else json.dumps(case["document"])).encode()


def parsed(case) -> list[Login]:
    pending = case.get("pending")
    return parse_any(content(case), case["path"], pending=pending.encode() if pending else None)


def record(login: Login):
    return {
        "format": login.form,
        "account_id": login.account_id,
        "user_id": login.user_id,
        "email": login.email,
        "plan_type": login.plan_type,
        "access_token": login.access_token.reveal(),
        "refresh_token": login.refresh_token.reveal(),
        "id_token": login.id_token.reveal(),
        "issued_at": login.issued_at,
        "expires_at": login.expires_at,
        "last_refresh": None if login.last_refresh is None else pytest.approx(login.last_refresh, abs=1e-3),
        "disabled": login.disabled,
        "nickname": login.nickname,
        "provenance": list(login.provenance),
    }


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_what_its_content_says(case):
    """Every login in it as one record, or an error that names file and kind and shows no secret."""
    if "logins" in case:
        found = parsed(case)
        assert [record(login) for login in found] == case["logins"]
        assert all(login.where.startswith(case["path"]) for login in found)
        return
    with pytest.raises(FetchTokenError) as caught:
        parsed(case)
    error, wanted = caught.value, case["error"]
    assert (error.exit_code, error.code) == (wanted["exit_code"], wanted["code"])
    assert wanted["says"] in error.message
    assert error.message.startswith(case["path"])
    assert error.hint
    assert "rt_" not in error.message + error.hint
    assert (error.message + error.hint).isprintable()


def test_every_format_has_vectors():
    """A format without a file of vectors would be tried by nobody."""
    seen = {login["format"] for case in GOOD for login in case.values[0]["logins"]}
    assert seen == set(FORMATS)
    assert len(CASES) > 70


@pytest.mark.parametrize("case", GOOD)
def test_a_login_is_rendered_for_codex_and_read_back(case):
    """The Codex file of it holds the same tokens for the same user, and Codex's own rules hold."""
    for login in parsed(case):
        text = dumps(codex_document(login, now_s=NOW_S), indent=2)
        auth = parse_auth_file(text, "rendered")
        check_login(auth)
        again = login_of(auth)
        assert again.access_token == login.access_token
        assert again.refresh_token == login.refresh_token
        assert (again.account_id, again.user_id) == (login.account_id, login.user_id)
        assert again.provenance == (login.provenance if login.refresh_token else ("", ""))
        assert auth.id_token
        assert auth.last_refresh is not None
        assert auth.kind == ("chatgpt" if login.refresh_token else "chatgptAuthTokens")


REWRITTEN = [
    case
    for case in GOOD
    if "document" in case.values[0] and case.values[0]["logins"][0]["expires_at"] is not None
]


@pytest.mark.parametrize("case", REWRITTEN)
def test_a_file_is_made_access_only_in_its_own_shape(case):
    """The same tool reads it back: same token and user, nothing to refresh with, other keys as they were."""
    document = parse_document(content(case), case["path"])
    form = format_of(document, case["path"])
    if form.access_only is None:
        assert form.why_not
        return
    (login,) = parsed(case)
    after = form.access_only(document, login.token(), NOW_S)
    text = dumps(after)
    assert "rt_" not in text
    (again,) = parse_parsed(json.loads(text), case["path"])
    assert (again.form, again.identity) == (login.form, login.identity)
    assert again.access_token == login.access_token
    assert again.expires_at == login.expires_at
    assert not again.refresh_token
    assert again.disabled == login.disabled
    others = {"anthropic", "proxy_url", "prefix", "priority", "nickname"} & document.keys()
    assert {key: after[key] for key in others} == {key: document[key] for key in others}
