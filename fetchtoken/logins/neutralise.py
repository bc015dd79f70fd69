"""Make a login file access-only, in the shape of the tool that owns it."""

from __future__ import annotations

from fetchtoken.codex.replaceable import check_document_replaceable
from fetchtoken.codex.settled import refuse_unsettled
from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.token import Token
from fetchtoken.formats.detect import FORMATS, Format
from fetchtoken.formats.places import tool_at
from fetchtoken.logins.reading import Found

__all__ = ["access_only_text", "check_neutral", "refuse_kept"]


def refuse_kept(form: Format, path: str, *, instead: str) -> None:
    """Raise where a format has no access-only shape that its tool can go on with.

    Args:
        form: the file's format.
        path: the file.
        instead: what to do, for the hint; the tool's own way to stop is added.

    Raises:
        ConfigError: with the reason, and the formats that have one.
    """
    if form.access_only is not None:
        return
    able = ", ".join(other.title for other in FORMATS.values() if other.access_only is not None)
    raise ConfigError(
        f"{path} is {form.title} and cannot be made access-only: {form.why_not} (can be: {able})",
        hint=f"{instead}; {tool_at(path, form.key).stop}",
    )


def check_neutral(found: Found, real: str, *, then: str) -> None:
    """Raise where a file's login cannot be taken out of it now; asked before anything is stored.

    Args:
        found: the file, read under its locks.
        real: where it really lies.
        then: what to do after mending, for hints.

    Raises:
        Unsafe: another name keeps the refresh token, or the file cannot be replaced.
        Unavailable, LoginRequired: an earlier exchange of it is unsettled, or was refused.
    """
    (login,) = found.logins
    if not login.refresh_token:
        return
    try:
        check_document_replaceable(real, found.document)
    except OSError as error:
        raise Unsafe(f"{real} cannot be written: {error.strerror}", hint=f"ls -l {real}") from None
    refuse_unsettled(real, login.refresh_token, then=then)


def access_only_text(found: Found, token: Token, *, now_s: float) -> str:
    """Return a file's text with an access token and nothing to refresh with; other keys stay.

    Raises:
        ConfigError: its format has no such shape.
        Unsafe: the refresh token would still stand somewhere in it.
    """
    refuse_kept(found.form, found.path, instead="take the login over another way")
    made = {} if found.form.access_only is None else found.form.access_only(found.document, token, now_s)
    text = dumps(made, indent=2) + "\n"
    for login in found.logins:
        if login.refresh_token and login.refresh_token.reveal() in text:
            raise Unsafe(
                f"{found.path} holds its refresh token in a second place",
                hint="log in again with codex-fetchtoken login",
            )
    return text
