"""The formats of a token: their shape, and what reads them."""

import json
import os
import re
import shlex
import subprocess

import pytest

from fetchtoken.domain.errors import Malformed, Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token
from fetchtoken.formats.codex import parse_auth_file
from fetchtoken.options import FORMATS, SHELLS
from fetchtoken.output import Stream, emit, quote, render
from tests.support.tokens import jwt

NOW = 1_800_000_000


def _token(**more) -> Token:
    fields = {
        "access_token": Secret("eyJ.a-b_c.d"),
        "expires_at": NOW + 517_000,
        "issued_at": NOW - 1000,
        "account": "work",
        "account_id": "acct-1",
        "plan_type": "pro",
        "source": "local",
        **more,
    }
    return Token(**fields)


def _said(form: str, token: Token | None = None, syntax: str = "bash") -> str:
    return render(token or _token(), form, syntax, NOW + 0.9)


def test_token_is_the_bearer_and_a_newline():
    """The default format is what a shell substitution wants."""
    assert _said("token") == "eyJ.a-b_c.d\n"


def test_header_is_a_request_header():
    """``codex-fetchtoken -f header | curl -H @-`` works."""
    assert _said("header") == "Authorization: Bearer eyJ.a-b_c.d\n"


def test_json_has_the_contracts_fields():
    """One JSON object on one line, seconds cut down, times in RFC 3339."""
    assert json.loads(_said("json")) == {
        "access_token": "eyJ.a-b_c.d",
        "token_type": "Bearer",
        "expires_at": "2027-01-21T07:36:40Z",
        "expires_in": 516_999,
        "account": "work",
        "account_id": "acct-1",
        "plan_type": "pro",
        "source": "local",
    }
    assert _said("json").count("\n") == 1


def test_json_says_unknown_as_null():
    """An opaque token of the default login has no name and no known end."""
    token = _token(expires_at=None, issued_at=None, account="", account_id="", plan_type="")
    document = json.loads(_said("json", token))
    assert {key for key, value in document.items() if value is None} == {
        "expires_at",
        "expires_in",
        "account",
        "account_id",
        "plan_type",
    }


def test_json_never_counts_below_zero():
    """A token that ends while it is being printed has 0 s left."""
    assert json.loads(_said("json", _token(expires_at=NOW - 5)))["expires_in"] == 0


def test_opencode_is_the_object_of_its_variable():
    """``OPENCODE_AUTH_CONTENT`` takes milliseconds and an empty refresh token."""
    assert json.loads(_said("opencode")) == {
        "openai": {
            "type": "oauth",
            "refresh": "",
            "access": "eyJ.a-b_c.d",
            "expires": (NOW + 517_000) * 1000,
            "accountId": "acct-1",
        }
    }


def test_opencode_needs_an_end():
    """Without a known expiry there is nothing true to say."""
    with pytest.raises(Malformed, match="expires"):
        _said("opencode", _token(expires_at=None))


def test_auth_json_is_an_access_only_codex_file():
    """Codex reads it, and finds nothing to refresh with."""
    token = Token.from_jwt(jwt(), source="local")
    text = _said("auth-json", token)
    auth = parse_auth_file(text, "stdout")
    assert auth.kind == "chatgptAuthTokens"
    assert auth.access_token == token.access_token
    assert not auth.refresh_token
    assert auth.id_token.reveal().count(".") == 2
    assert auth.account_id == "acct-1"
    assert auth.last_refresh is not None
    assert text.endswith("}\n")


def test_env_names_three_variables_and_not_codexs_own():
    """``CODEX_ACCESS_TOKEN`` is never set: the real Codex takes it for a personal access token."""
    assert _said("env") == (
        "export OPENAI_CODEX_ACCESS_TOKEN='eyJ.a-b_c.d'\n"
        "export OPENAI_CODEX_ACCOUNT_ID='acct-1'\n"
        "export OPENAI_CODEX_EXPIRES_AT='2027-01-21T07:36:40Z'\n"
    )
    assert _said("env", syntax="fish").startswith("set -gx OPENAI_CODEX_ACCESS_TOKEN 'eyJ.a-b_c.d'\n")
    assert _said("env", syntax="powershell").startswith("$env:OPENAI_CODEX_ACCESS_TOKEN = 'eyJ.a-b_c.d'\n")
    assert not any(re.search(r"\bCODEX_ACCESS_TOKEN", _said("env", syntax=shell)) for shell in SHELLS)


NASTY = [
    "plain",
    "it's",
    "''",
    "\\",
    "\\'",
    "a\\\\'b",
    '$HOME `id` $(id) "x" !! ; & | > < * ? ~ # %',
    "\u2018curly\u2019 \u201alow\u201b",
    "é日本🎉",
    "ends with \\",
]


@pytest.mark.parametrize("account_id", NASTY)
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_posix_shells_read_back_what_was_said(account_id: str, shell: str):
    """``eval`` of the env format sets exactly the values, whatever an account id holds."""
    text = _said("env", _token(account_id=account_id))
    script = text + 'printf "%s" "$OPENAI_CODEX_ACCOUNT_ID"'
    done = subprocess.run([shell, "-c", script], capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True)
    assert done.stdout.decode() == account_id
    assert shlex.split(quote(account_id, "bash")) == [account_id]


def _fish(text: str) -> str:
    """Read a single-quoted string as fish does: a backslash escapes a quote and itself, nothing else."""
    assert text[0] == text[-1] == "'"
    out, rest = "", text[1:-1]
    while rest:
        if rest[:2] in ("\\'", "\\\\"):
            out, rest = out + rest[1], rest[2:]
        else:
            assert rest[0] != "'", "the string ended early"
            out, rest = out + rest[0], rest[1:]
    return out


def _powershell(text: str) -> str:
    """Read a verbatim string as PowerShell does: two quotes of any of five kinds are one."""
    quotes = "'\u2018\u2019\u201a\u201b"
    assert text[0] == text[-1] == "'"
    out, rest = "", text[1:-1]
    while rest:
        if rest[0] in quotes:
            assert rest[1:2], "the string ended early"
            assert rest[1] in quotes, "the string ended early"
            out, rest = out + rest[0], rest[2:]
        else:
            out, rest = out + rest[0], rest[1:]
    return out


@pytest.mark.parametrize("text", NASTY)
def test_fish_and_powershell_read_back_what_was_said(text: str):
    """Their quoting rules, followed by hand, give the value again."""
    assert _fish(quote(text, "fish")) == text
    assert _powershell(quote(text, "powershell")) == text


@pytest.mark.parametrize("shell", SHELLS)
def test_env_refuses_what_no_line_can_hold(shell: str):
    """An account id with a line break would end the statement."""
    with pytest.raises(Malformed):
        _said("env", _token(account_id="a\nb"), shell)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("bearer", ["", "two words", "line\nbreak", "naïve", "x\x00"])
def test_what_cannot_be_a_bearer_is_never_printed(form: str, bearer: str):
    """A header, a variable or a file made of it would say something else."""
    with pytest.raises(Malformed) as caught:
        _said(form, _token(access_token=Secret(bearer)))
    assert not bearer or bearer not in str(caught.value)


def test_a_stream_writes_all_of_a_long_text():
    """A pipe takes a long text in parts; none is lost."""
    reader, writer = os.pipe()
    os.set_blocking(writer, True)
    child = subprocess.Popen(["wc", "-c"], stdin=reader, stdout=subprocess.PIPE)
    os.close(reader)
    Stream(writer).write("ä" * 300_000)
    os.close(writer)
    out, _ = child.communicate(timeout=30)
    assert int(out) == 600_000


def test_a_stream_does_not_mind_what_cannot_be_encoded():
    """A file name that is not UTF-8 reaches the terminal with a mark in its place, and data in escapes."""
    reader, writer = os.pipe()
    Stream(writer).note("lone \udcff")
    Stream(writer).write("lone \udcff\n")
    os.close(writer)
    assert os.read(reader, 100) == b"note: lone \xef\xbf\xbd\nlone \\udcff\n"
    os.close(reader)


def test_a_failed_write_is_an_error():
    """What did not arrive is never a success."""
    with pytest.raises(Unavailable, match="Bad file descriptor"):
        emit(Stream(-1), "token\n")


def test_a_note_that_nobody_hears_changes_nothing():
    """A closed standard error does not cost the token."""
    Stream(-1).note("unheard")
    assert not Stream(-1).isatty()
