"""The pages on which a person approves a device login: plain HTML, no script, nothing from elsewhere. Pure.

Each value that somebody wrote goes through :func:`html.escape`. The codes stand in forms, never in an
address: history, logs and ``Referer`` keep addresses.
"""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.secret import Secret

__all__ = ["HEADERS", "codes_page", "decision_page", "end_page"]

_STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;max-width:34rem;padding:2rem 1rem;font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.375rem;line-height:1.25}
label,legend{display:block;font-weight:600}
input[type=text],input[type=password]{display:block;box-sizing:border-box;width:100%;margin:.25rem 0 1rem;
padding:.5rem;font:inherit;font-weight:400}
.code{font-family:ui-monospace,monospace;text-transform:uppercase}
fieldset{margin:0 0 1rem;padding:.5rem 1rem}
fieldset label{font-weight:400;overflow-wrap:anywhere}
dt{font-weight:600}
dd{margin:0 0 .5rem;overflow-wrap:anywhere}
.told,.care{border-left:.25rem solid;padding:.25rem .75rem}
.told{font-weight:600}
button{margin-right:.75rem;padding:.5rem 1.25rem;font:inherit;font-weight:600}
li{margin-bottom:.5rem}
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not no-referrer: with that, browsers send "Origin: null" even with a form of the page's own.
    "Referrer-Policy": "same-origin",
}
"""Of every page."""

_PHISHING = (
    '<p class="care"><b>Approve only what you began yourself, just now.</b> Never type a code that somebody'
    " sent you: whoever sent it would get tokens of your account.</p>"
)


def codes_page(action: str, revocation: str, told: str = "") -> str:
    """Return the page that asks for both codes.

    Args:
        action: path of the form.
        revocation: URL at which a machine ends its own credential.
        told: what was wrong, if anything.
    """
    notes = (
        "<h2>Before a machine logs in here</h2><ul>"
        "<li><code>codex login</code> revokes and deletes the login that is there before it asks anything:"
        " have the broker take that over first (<code>codex-broker account adopt FILE</code>), or move"
        " <code>auth.json</code> away.</li>"
        "<li><code>codex logout</code> and <code>codex login</code> post the machine's credential to OpenAI,"
        " not to this broker, unless <code>CODEX_REVOKE_TOKEN_URL_OVERRIDE</code> is"
        f" <code>{escape(revocation)}</code> there. So it lives for 30 days at most.</li>"
        "<li>A machine that logs in again under the same name loses its former credential.</li></ul>"
    )
    form = (
        f'<form method="post" action="{escape(action)}" autocomplete="off">'
        '<label for="user_code">Code that Codex shows</label>'
        '<input id="user_code" class="code" type="text" name="user_code" required maxlength="32"'
        ' autocapitalize="characters" spellcheck="false">'
        '<label for="invite">Invite code</label>'
        '<input id="invite" type="password" name="invite" required maxlength="128">'
        "<button>Go on</button></form>"
    )
    return _page("Log a machine in", _told(told) + _PHISHING + form + notes)


def decision_page(  # noqa: PLR0913 - what stands on the page, by name
    action: str,
    *,
    ticket: Secret,
    client: str,
    client_id: str,
    address: str,
    asked_at: float,
    now_s: float,
    accounts: Iterable[str],
    told: str = "",
) -> str:
    """Return the page on which a person names the machine, picks an account, and decides.

    Args:
        action: path of the form.
        ticket: for this decision.
        client: the broker's client that the machine will belong to.
        client_id: what the program calls itself.
        address: whence it asked.
        asked_at: when, in epoch seconds.
        now_s: epoch seconds.
        accounts: names to choose from.
        told: what was wrong, if anything.
    """
    names = list(accounts)
    ago = f"{max(0, int(now_s - asked_at))} s ago"
    asked = (
        f"<dl><dt>Asked from</dt><dd>{escape(address)}</dd>"
        f"<dt>Asked at</dt><dd>{escape(to_rfc3339(asked_at))}, {ago}</dd>"
        f"<dt>Program</dt><dd>{escape(client_id)}</dd>"
        f"<dt>Will belong to</dt><dd>{escape(client)}</dd></dl>"
        "<p>Is that the address of the machine that you sit at? If not, deny it.</p>"
    )
    checked = " checked" if len(names) == 1 else ""
    choices = "".join(
        f'<label><input type="radio" name="account" value="{name}" required{checked}> {name}</label>'
        for name in map(escape, names)
    )
    form = (
        f'<form method="post" action="{escape(action)}" autocomplete="off">'
        f'<input type="hidden" name="ticket" value="{escape(ticket.reveal())}">'
        '<label for="machine">Name of the machine</label>'
        '<input id="machine" type="text" name="machine" required maxlength="64"'
        r' pattern="[a-z0-9][a-z0-9._@+\-]*" title="a-z 0-9 . _ @ + -, a letter or digit first"'
        ' autocapitalize="none" spellcheck="false">'
        f"<p>Where {escape(client)} has a machine of that name, that one's former credential ends.</p>"
        f"<fieldset><legend>Account whose token it gets</legend>{choices}</fieldset>"
        '<button name="decision" value="approve">Approve</button>'
        '<button name="decision" value="deny" formnovalidate>Deny</button></form>'
    )
    return _page("Approve this machine?", _told(told) + _PHISHING + asked + form)


def end_page(title: str, told: str, action: str = "") -> str:
    """Return a page with nothing to decide; with ``action`` a link to begin again."""
    again = f'<p><a href="{escape(action)}">Begin again</a></p>' if action else ""
    return _page(title, f"<p>{escape(told)}</p>{again}")


def _told(text: str) -> str:
    return f'<p class="told" role="alert">{escape(text)}</p>' if text else ""


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
