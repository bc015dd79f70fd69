"""Every parser that reads what others wrote: good input to begin with, and which errors it may raise."""

import json
import os
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

from broker.api.bodies import parse_form
from broker.api.devicehtml import end_page
from broker.api.negotiate import etag_matches, wants_text
from broker.api.origins import origin_of
from broker.domain.apikey import new_key, parse_key
from broker.domain.device import parse_user_code
from fetchtoken.codex.config import _parsed
from fetchtoken.domain.claims import Claims, decode_claims, unsigned_jwt
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.names import is_name
from fetchtoken.domain.nickname import nickname
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.choose import choose
from fetchtoken.formats.codex import check_login, identity, parse_auth_file
from fetchtoken.formats.codex_login import codex_document
from fetchtoken.formats.detect import format_of, parse_any, parse_document, parse_parsed
from fetchtoken.net.client import Response
from fetchtoken.net.errors import BadAnswer
from fetchtoken.net.http1 import AnswerParser, render_request
from fetchtoken.net.url import parse_url
from fetchtoken.oauth import journal
from fetchtoken.oauth.login.browser import read_answer, read_paste
from fetchtoken.oauth.login.device import read_poll, read_usercode
from fetchtoken.oauth.login.grant import parse_grant
from fetchtoken.oauth.messages import error_code, parse_tokens
from fetchtoken.oauth.outcome import Answer, classify
from fetchtoken.oauth.spawn import FRAME_HEADER, encode_frame, read_frame
from fetchtoken.settings.envfile import EnvFile, parse_lines
from fetchtoken.sources import machine_answer
from fetchtoken.sources.remote_answer import problem, token_of
from fetchtoken.sources.ssh_answer import token_of_command, token_of_file
from fetchtoken.ssh.run import Done
from tests.support.tokens import jwt
from tests.support.tool_files import TOOLS, tool_document

__all__ = ["PARSERS", "Parser"]

NOW_S = 1_790_000_500
_VECTORS = Path(__file__).parents[1] / "vectors" / "formats"
_PIPE = 60_000


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        name: for figures.
        seeds: input to begin with.
        parse: parses one input; raises ``declared``, or ``AssertionError`` where what it gave is wrong.
        declared: the errors that it may raise.
    """

    name: str
    seeds: list[bytes]
    parse: Callable[[bytes, Random], object]
    declared: tuple[type[Exception], ...] = ()


def _vectors() -> Iterable[bytes]:
    for file in sorted(_VECTORS.glob("*.json")):
        for case in json.loads(file.read_text()):
            if "base64" in case:
                yield b64decode(case["base64"])
            else:
                text = case["text"] if "text" in case else json.dumps(case["document"])
                if len(text) < 6000:
                    yield text.encode()


def _said(error: FetchTokenError) -> None:
    """Check what people would read: it shows no refresh token and breaks no line."""
    assert error.message.isprintable(), "an error breaks its line"
    assert "rt_vector" not in error.message + error.hint, "an error shows a refresh token"


def _auth_file_of_any_tool(data: bytes, _: Random) -> None:
    try:
        logins = parse_any(data, "/home/ada/file.json")
    except FetchTokenError as error:
        _said(error)
        raise
    for login in logins:
        auth = parse_auth_file(dumps(codex_document(login, now_s=NOW_S)), "rendered")
        check_login(auth)
        assert auth.refresh_token == login.refresh_token, "a rendered file holds another login"
        assert auth.id_token, "Codex accepts no file without an id token"
    assert sum(1 + len(one.others) for one in choose(logins)) == len(logins)
    document = parse_document(data, "/home/ada/file.json")
    form = format_of(document, "/home/ada/file.json")
    if form.access_only is not None and logins[0].access_token:
        after = form.access_only(document, logins[0].token(), NOW_S)
        (again,) = parse_parsed(cast("dict[str, object]", json.loads(dumps(after))), "rewritten")
        assert not again.refresh_token, "an access-only file can be refreshed from"


def _pending_rotation(data: bytes, _: Random) -> None:
    store = json.dumps(tool_document("codex-multi-auth", jwt(), "rt_vector")).encode()
    parse_any(store, "/home/ada/store.json", pending=data)


def _auth_json(data: bytes, _: Random) -> None:
    try:
        auth = parse_auth_file(data.decode(errors="surrogatepass"), "/home/ada/.codex/auth.json")
        check_login(auth)
    except UnicodeDecodeError:
        return
    auth.token()
    identity(auth)


def _token_answer(data: bytes, chance: Random) -> None:
    parse_tokens(data)
    error_code(data)
    status = chance.choice((None, 200, 200, 301, 400, 401, 403, 429, 500, 503))
    headers = {"retry-after": data[:60].decode("latin-1")}
    classify(Answer(sent=True, status=status, headers=headers, body=data, complete=True), now_s=NOW_S)


def _broker_answer(data: bytes, chance: Random) -> None:
    status = chance.choice((200, 200, 400, 401, 403, 404, 429, 500, 503))
    headers = {"etag": data[:40].decode("latin-1"), "retry-after": data[:9].decode("latin-1")}
    response = Response(status=status, headers=headers, body=data, complete=True)
    if status == 200:
        token_of("https://broker.example", response, chance.choice(("", "work")))
    else:
        _said(problem("https://broker.example", response, "work"))


def _machine_answer(data: bytes, chance: Random) -> None:
    status = chance.choice((200, 200, 200, 400, 401, 403, 404, 405, 429, 503))
    response = Response(status=status, headers={}, body=data, complete=True)
    if status == 200:
        machine_answer.credential_of("broker", response, chance.choice(("", "work")))
    else:
        _said(machine_answer.problem("broker", response, "work"))


def _ssh_answer(data: bytes, chance: Random) -> None:
    done = Done(code=chance.choice((0, 0, 0, 1, 3, 5, 8, 127, None)), out=data, err=data[:300])
    try:
        if chance.random() < 0.5:
            token_of_command("host", done, chance.choice(("", "work")))
        else:
            token_of_file("host", done, "work", min_valid_s=600, now_s=NOW_S)
    except FetchTokenError as error:
        _said(error)
        raise


def _jwt(data: bytes, _: Random) -> None:
    claims = Claims(decode_claims(data.decode("latin-1")) or {})
    for at_s in (claims.exp, claims.iat):
        if at_s is not None:
            to_rfc3339(at_s)


def _instant(data: bytes, chance: Random) -> None:
    for value in (data.decode("utf-8", "replace"), chance.choice((1, -1.0, 1e300, len(data) * 10**11))):
        parse_rfc3339(value)


def _env_file(data: bytes, _: Random) -> None:
    complaints: list[str] = []
    file = EnvFile("/home/ada/scorpiox-env.txt", data, os.stat_result((0,) * 10))
    for key, (value, number, _written) in parse_lines(file, complaints.append).items():
        assert key.isascii(), "an odd key counts"
        assert value == value.strip(), "a value keeps its blanks"
        assert number > 0


def _api_key(data: bytes, _: Random) -> None:
    key = parse_key(data.decode("latin-1"))
    assert key is None or key.text.reveal().isascii()


def _frame(data: bytes, _: Random) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, data[:_PIPE])
        os.close(writing)
        read_frame(reading)
    finally:
        os.close(reading)


def _journal(data: bytes, _: Random) -> None:
    keys = {"k1": journal.JournalKey("k1", bytes(32))}
    entry = journal._parse(data, "a.journal", keys)
    if entry.answer is not None:
        classify(entry.answer, now_s=NOW_S)


def _answer_record(data: bytes, _: Random) -> None:
    value = json.loads(data)
    if isinstance(value, dict):
        Answer.from_json(value)


def _http_answer(data: bytes, chance: Random) -> None:
    parser = AnswerParser(chance.choice((0, 10, 100_000)), bodiless=chance.random() < 0.1)
    start = 0
    while start < len(data):
        end = start + chance.choice((1, 3, 20, 1000, 100_000))
        if parser.feed(data[start:end]):
            return
        start = end
    parser.end(clean=chance.random() < 0.5)


def _request_headers(data: bytes, _: Random) -> None:
    text = data.decode("latin-1")
    wants_text(text)
    etag_matches(text, '"tag"')
    rendered = render_request("GET", "/codex", "broker.example", {"Authorization": text}, b"")
    assert rendered.count(b"\r\n") == 5, "a header breaks out of its line"


def _url(data: bytes, _: Random) -> None:
    url = parse_url(data.decode("latin-1"))
    assert parse_url(str(url)).origin == url.origin, "a URL reads back as another"


def _config_toml(data: bytes, _: Random) -> None:
    _parsed("/home/ada/.codex/config.toml", data)


def _nickname(data: bytes, _: Random) -> None:
    assert is_name(nickname(data.decode("utf-8", "surrogateescape"), {"ada", "account"}))


def _login_answer(data: bytes, chance: Random) -> None:
    status = chance.choice((200, 400, 401, 403, 404, 429, 500))
    chance.choice((read_usercode, read_poll, parse_grant))(status, data)


def _login_callback(data: bytes, chance: Random) -> None:
    text = data.decode("utf-8", "surrogateescape")
    code = chance.choice((read_answer, read_paste))(text, _STATE).reveal()
    assert code, "an empty code"
    assert code.isascii(), "a code that no form can carry"


def _device_form(data: bytes, chance: Random) -> None:
    fields = parse_form(data, {"user_code", "invite", "ticket", "machine", "account", "decision"})
    typed = chance.choice([*fields.values(), ""])
    code = parse_user_code(typed)
    assert code is None or parse_user_code(code.reveal()) == code, "no notation of its own"
    assert not fields.keys() - {"user_code", "invite", "ticket", "machine", "account", "decision"}
    page = end_page(typed, typed, typed or "x")
    assert page.count("<") == end_page("x", "x", "x").count("<"), "a value became an element"
    origin = origin_of(typed)
    assert not origin or origin_of(origin) == origin, "an origin of another notation"


def _journal_seeds() -> list[bytes]:
    def record(kind: str, value: dict[str, Any], key: journal.JournalKey | None = None) -> bytes:
        payload = dumps({**value, "kind": kind}).encode()
        if key is not None:
            payload = journal._seal(payload, "a.journal", key)
        return journal._LENGTH.pack(len(payload)) + payload + journal.sha256(payload).digest()

    answer = Answer(sent=True, status=200, body=b'{"access_token":"x"}', complete=True).to_json()
    found = []
    for key in (None, journal.JournalKey("k1", bytes(32))):
        whole = record("intent", {"spends": "x"}, key).ljust(4096, b"\0")
        whole += record("sending", {}, key).ljust(4096, b"\0")
        found += [whole, whole + record("answer", answer, key)]
    return found


_LIVE = jwt()
_TOKEN = {"access_token": _LIVE, "refresh_token": "rt_vector", "id_token": _LIVE, "expires_in": 1}
_BROKER = {"access_token": _LIVE, "account": "work", "account_id": "a", "plan_type": "pro", "tokens": {}}
_EXCHANGED = {
    "access_token": new_key("cbr", bytes).text.reveal(),
    "issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token",
    "expires_at": "2026-12-26T10:11:12Z",
    "machine": 7,
    "token": _BROKER,
}
_STATE = Secret("s" * 43)
_CALLBACK = f"http://127.0.0.1:1455/auth/callback?code=ac_1234567890123456&state={_STATE.reveal()}"
_DEVICE = {"device_auth_id": "d", "user_code": "ABCD-12345", "interval": "5"}
_APPROVED = {"authorization_code": "ac_1", "code_verifier": "v", "code_challenge": "c"}
_HTTP = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.0 503 Later\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\nbody",
    b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
]
_ENV = [
    b"# a comment\nCODEX_TOKEN_SOURCE=remote\nCODEX_REMOTE_URL = https://b.example\nTOKEN_HTTP_API_KEY=cbk_x\n",
    b"\xef\xbb\xbfCODEX_MIN_VALID=5\r\nUNKNOWN=1\nCODEX_HOME=" + b"x" * 5000 + b"\n=\n",
]

PARSERS = [
    Parser("auth files of every tool", [*_vectors()], _auth_file_of_any_tool, (FetchTokenError,)),
    Parser(
        "auth.json of Codex",
        [json.dumps(tool_document(form, _LIVE, "rt_vector")).encode() for form in TOOLS],
        _auth_json,
        (FetchTokenError,),
    ),
    Parser(
        "rotations that wait beside a store",
        [
            json.dumps({"version": 1, "entries": entries}).encode()
            for entries in (
                [],
                [{"prior": "0" * 64, "refreshToken": "r", "accessToken": _LIVE, "expiresAt": 1}],
            )
        ],
        _pending_rotation,
        (FetchTokenError,),
    ),
    Parser(
        "answers of the token endpoint",
        [
            json.dumps(value).encode()
            for value in (_TOKEN, {"error": {"code": "refresh_token_reused"}}, {"error": "invalid_grant"})
        ],
        _token_answer,
    ),
    Parser(
        "answers of a broker",
        [json.dumps(value).encode() for value in (_BROKER, {"code": "login_required"})],
        _broker_answer,
        (FetchTokenError,),
    ),
    Parser(
        "answers of a broker that exchanges keys",
        [json.dumps(value).encode() for value in (_EXCHANGED, {"code": "too_many_machines"})],
        _machine_answer,
        (FetchTokenError,),
    ),
    Parser(
        "answers of another host over SSH",
        [
            *(json.dumps(value).encode() for value in (_BROKER, tool_document("codex", _LIVE, "rt_vector"))),
            b"codex-fetchtoken: no login\nhint: codex login\n",
        ],
        _ssh_answer,
        (FetchTokenError,),
    ),
    Parser("JWTs", [_LIVE.encode(), unsigned_jwt({"exp": 10**30, "iat": -5}).encode()], _jwt),
    Parser(
        "times",
        [b"2026-08-20T10:11:12.123456789Z", b"2026-08-20t10:11:60+23:59", b"1790000000"],
        _instant,
    ),
    Parser("settings files", _ENV, _env_file),
    Parser(
        "API keys and invite codes",
        [new_key(kind, bytes).text.reveal().encode() for kind in ("cbk", "cbr", "cbi")],
        _api_key,
    ),
    Parser(
        "frames of the exchange process",
        [encode_frame({"attempt": "a", "url": "https://x", "body": "{}"}), FRAME_HEADER.pack(5) + b"[1,2]"],
        _frame,
        (ValueError,),
    ),
    Parser("journal files", _journal_seeds(), _journal),
    Parser(
        "answers in a journal",
        [json.dumps(Answer(sent=True, status=200, body=b"x", complete=True).to_json()).encode()],
        _answer_record,
        (ValueError, RecursionError),
    ),
    Parser("HTTP answers", _HTTP, _http_answer, (BadAnswer,)),
    Parser(
        "HTTP request headers",
        [b"text/plain;q=0.5, application/json", b'W/"a", "b", *', b"Bearer cbk_x"],
        _request_headers,
        (FetchTokenError,),
    ),
    Parser(
        "URLs",
        [b"https://broker.example:7455/codex?x=1", b"http://[::1]:80/", b"unix:/run/x.sock:/codex"],
        _url,
        (FetchTokenError,),
    ),
    Parser(
        "Codex's config.toml",
        [b'cli_auth_credentials_store = "keyring"\n[model_providers.x]\nname = "y"\n'],
        _config_toml,
        (FetchTokenError,),
    ),
    Parser(
        "answers to a login",
        [json.dumps(value).encode() for value in (_DEVICE, _APPROVED, _TOKEN, {"error": "access_denied"})],
        _login_answer,
        (FetchTokenError,),
    ),
    Parser(
        "callbacks of a login",
        [_CALLBACK.encode(), _CALLBACK.partition("?")[2].encode(), b"ac_1234567890123456"],
        _login_callback,
        (FetchTokenError,),
    ),
    Parser(
        "forms of the page for device logins",
        [b"user_code=ABCD-EFGH&invite=cbi_x", b"ticket=a_b-c&machine=box&account=work&decision=approve"],
        _device_form,
        (ValueError,),
    ),
    Parser("e-mail addresses", [b"ada@example.com", "Ünï.Cøde+x@é.de".encode()], _nickname),
]
