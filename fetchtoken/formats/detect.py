"""Which tool's file it is, found by what stands in it and never by its name."""

from fetchtoken.domain.errors import LoginRequired, Malformed, NotFound
from fetchtoken.domain.jsontext import loads
from fetchtoken.formats import (
    blob,
    cliproxy,
    codex_lb,
    codex_login,
    interactive_proxy,
    multi_auth,
    opencode,
)
from fetchtoken.formats.codex import is_word

__all__ = ["FORMATS", "Format", "format_of", "parse_any", "parse_document", "parse_parsed"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fetchtoken.domain.token import Token
    from fetchtoken.formats.login import Login

    AccessOnly = Callable[[dict[str, object], Token, float], dict[str, object]]

OTHER_FILE = "other_file"
"""Code of the errors about a file that is whole and simply holds no ChatGPT login."""

_BOM = b"\xef\xbb\xbf"
"""What some editors put before UTF-8."""

_KNOWN = "Codex, CCS, CLIProxyAPI, codex-lb, opencode, llm-interactive-proxy or codex-multi-auth"


class Format:
    """How one tool writes a login down.

    Args:
        key: the word for it, in JSON and in records.
        title: what a person calls such a file.
        recognises: tells a document of this format.
        read: returns the logins in one; a file's name goes into messages.
        access_only: the same document with another access token and no refresh token, as the tool
            itself can go on with it; ``None`` where it cannot, or keeps the login elsewhere.
        why_not: why there is no ``access_only``.
    """

    __slots__ = ("access_only", "key", "read", "recognises", "title", "why_not")

    def __init__(  # noqa: PLR0913 - a record; what differs is named at the call
        self,
        key: str,
        title: str,
        recognises: "Callable[[dict[str, object]], bool]",
        read: "Callable[[dict[str, object], str], list[Login]]",
        *,
        access_only: "AccessOnly | None" = None,
        why_not: str = "",
    ) -> None:
        self.key = key
        self.title = title
        self.recognises = recognises
        self.read = read
        self.access_only = access_only
        self.why_not = why_not


FORMATS = {
    form.key: form
    for form in (
        Format(
            multi_auth.KEY,
            "a codex-multi-auth store",
            multi_auth.recognises,
            multi_auth.read,
            why_not="codex-multi-auth keeps no account without a refresh token",
        ),
        Format(
            codex_lb.KEY,
            "a codex-lb export",
            codex_lb.recognises,
            codex_lb.read,
            why_not="codex-lb keeps the login in its own database",
        ),
        Format(
            opencode.KEY,
            "an opencode auth.json",
            opencode.recognises,
            opencode.read,
            access_only=opencode.access_only,
        ),
        Format(
            cliproxy.KEY,
            "a CLIProxyAPI or CCS file",
            cliproxy.recognises,
            cliproxy.read,
            access_only=cliproxy.access_only,
        ),
        Format(
            codex_login.KEY,
            "a Codex auth.json",
            codex_login.recognises,
            codex_login.read,
            access_only=codex_login.access_only,
        ),
        Format(
            interactive_proxy.KEY,
            "an llm-interactive-proxy account",
            interactive_proxy.recognises,
            interactive_proxy.read,
            access_only=interactive_proxy.access_only,
        ),
        Format(
            blob.KEY,
            "a file of bare tokens",
            blob.recognises,
            blob.read,
            why_not="nobody knows which program keeps bare tokens, or where else",
        ),
    )
}
"""Every format by its key, in the order in which they are looked for."""


def parse_any(data: bytes, name: str, *, pending: bytes | None = None) -> "list[Login]":
    """Return the logins in a file of any known tool.

    Args:
        data: the whole file.
        name: its path, for messages.
        pending: the ``….pending-auth.json`` beside it, where there is one.

    Raises:
        NotFound: it is empty, or holds no login; with code ``other_file`` where it is a neighbour of logins.
        LoginRequired: it holds another kind of credential, or another provider's; code ``other_file``.
        Malformed: it is not JSON, or its fields have other types than its tool writes; with code
            ``other_file`` where it is whole, and no known tool's.
    """
    document = parse_document(data, name)
    if pending is not None and format_of(document, name).key == multi_auth.KEY:
        beside = name + multi_auth.PENDING
        document = multi_auth.overlaid(document, parse_document(pending, beside), beside)
    return parse_parsed(document, name)


def parse_parsed(document: dict[str, object], name: str) -> "list[Login]":
    """Return the logins in a parsed document; raises as :func:`parse_any`."""
    form = format_of(document, name)
    try:
        found = form.read(document, name)
    except (LoginRequired, NotFound) as error:
        error.code = OTHER_FILE
        raise
    if not any(login.access_token or login.refresh_token for login in found):
        raise NotFound(f"{name} holds no login", hint="codex-fetchtoken login", code=OTHER_FILE)
    return found


def parse_document(data: bytes, name: str) -> dict[str, object]:
    """Return a file's JSON object; a text that holds one (codex-lb's older export) is opened.

    Raises:
        NotFound: it is empty.
        Malformed: it is no JSON object.
    """
    try:
        text = data.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise Malformed(f"{name} is not UTF-8 text", hint="save it as UTF-8, or export it again") from None
    if not text.strip():
        raise NotFound(f"{name} is empty", hint="codex-fetchtoken login")
    try:
        document = loads(text)
        if isinstance(document, str):
            document = loads(document)
    except ValueError:
        raise Malformed(f"{name} is not JSON", hint=f"move {name} away and log in again") from None
    if not isinstance(document, dict):
        raise Malformed(f"{name} is not a JSON object", hint=f"give a file of {_KNOWN}", code=OTHER_FILE)
    return document


def format_of(document: dict[str, object], name: str) -> Format:
    """Return the format of a document.

    Raises:
        LoginRequired: another provider's login, named.
        NotFound: a neighbour of logins that holds none.
        Malformed: no known tool's.
    """
    form = next((form for form in FORMATS.values() if form.recognises(document)), None)
    if other := _other_provider(document, form):
        raise LoginRequired(
            f"{name} holds {other}, not a ChatGPT login", hint="give a file of a Codex login", code=OTHER_FILE
        )
    if form is not None:
        return form
    if "providers" in document or "active_account_id" in document or "accounts" in document:
        raise NotFound(
            f"{name} lists accounts and holds no token",
            hint="give the directory that it lies in, or the accounts' own files",
            code=OTHER_FILE,
        )
    raise Malformed(
        f"{name} is no login file of a tool known here", hint=f"give a file of {_KNOWN}", code=OTHER_FILE
    )


def _other_provider(document: dict[str, object], form: Format | None) -> str:
    """Say whose credential a file holds, where it is not ChatGPT's; else return an empty text."""
    if form is None:
        if "claudeAiOauth" in document:
            return "a Claude login"
        entries = [
            key
            for key, value in document.items()
            if isinstance(value, dict) and value.get("type") in opencode.TYPES
        ]
        return f"logins of {_words(entries)}" if entries else ""
    if form.key == cliproxy.KEY and document.get("type") != "codex":
        return f"a login of {_words([str(document.get('type'))])}"
    if form.key == opencode.KEY:
        ours = document.get(opencode.PROVIDER)
        kind = ours.get("type") if isinstance(ours, dict) else ""
        return "" if kind == "oauth" else "an API key"
    return ""


def _words(names: list[str]) -> str:
    """Return a few providers' names as they can be printed; what is no name may be a misplaced secret."""
    shown = [name if is_word(name) else "another provider" for name in names[:3]]
    return ", ".join(dict.fromkeys(shown)) + (" and others" if len(names) > 3 else "")
