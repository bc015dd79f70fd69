"""The sandbox issuer's pages: plain HTML, no script, nothing from elsewhere. Pure."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from broker.sandbox.answers import Reply
from broker.sandbox.issuer import Wish

__all__ = ["PLANS", "Choice", "consent_page", "device_page", "message_page"]

PLANS = ("pro", "plus", "team", "free")

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5b6470;--page:#f3f4f6;--card:#fff;--line:#c9ced6;
--go:#0b6b4f;--go-ink:#fff;--warn:#9a3412}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a4acb7;--page:#14171a;--card:#1e2327;
--line:#454d57;--go:#4cc79b;--go-ink:#08211a;--warn:#fdba74}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--page);
color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:27rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem;
padding:1.5rem}
h1{font-size:1.375rem;line-height:1.25;margin:0 0 .5rem}
p{margin:0 0 1rem}
.badge{display:inline-block;margin:0 0 .75rem;font-size:.8125rem;color:var(--warn);border:1px solid;
border-radius:1rem;padding:.125rem .625rem}
.soft{color:var(--soft);font-size:.875rem;overflow-wrap:anywhere}
.wrong{color:var(--warn);font-weight:600}
fieldset{border:1px solid var(--line);border-radius:.5rem;margin:0 0 1rem;padding:.5rem .875rem .75rem}
legend{padding:0 .375rem;font-weight:600}
.choice{display:flex;gap:.625rem;align-items:flex-start;padding:.375rem 0;overflow-wrap:anywhere}
.choice input{margin:.3125rem 0 0;flex:none}
label.field{display:block;font-weight:600;margin:0 0 1rem}
.field input,.field select{display:block;width:100%;margin-top:.25rem;padding:.5rem .625rem;font:inherit;
font-weight:400;color:inherit;background:var(--page);border:1px solid var(--line);border-radius:.375rem}
fieldset .field:last-child{margin-bottom:.25rem}
input.code{font:1.25rem ui-monospace,monospace;letter-spacing:.125rem;text-transform:uppercase}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem}
button{flex:1 1 8rem;padding:.625rem 1rem;font:inherit;font-weight:600;border:1px solid var(--line);
border-radius:.5rem;background:transparent;color:inherit;cursor:pointer}
button.go{background:var(--go);color:var(--go-ink);border-color:var(--go)}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
"""
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Choice:
    """An account that can be chosen on a page."""

    value: str
    """What the form sends."""
    wish: Wish


def consent_page(request_id: str, choices: Sequence[Choice], *, target: str, client_id: str) -> Reply:
    """Return the page on which a person picks an account and decides.

    Args:
        request_id: what is decided.
        choices: the accounts that are known.
        target: scheme, host and port to which the browser is sent back; its form may lead there.
        client_id: who asks.
    """
    body = (
        "<h1>Log in to Codex</h1>"
        f"<p>A program on this computer asks to use your account. You are sent back to <b>{escape(target)}"
        "</b>.</p>"
        f'<p class="soft">Client {escape(client_id)}</p>'
        '<form method="post" action="/oauth/authorize">'
        f'<input type="hidden" name="request" value="{escape(request_id)}">'
        f"{_accounts(choices)}{_BUTTONS}</form>"
    )
    return _page("Log in", body, form_action=f"'self' {target}")


def device_page(choices: Sequence[Choice], *, user_code: str = "", problem: str = "") -> Reply:
    """Return the page on which a person types a device's code and decides.

    Args:
        choices: the accounts that are known.
        user_code: what was typed before.
        problem: what was wrong with it.
    """
    alert = f'<p class="wrong" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if problem else ""
    body = (
        "<h1>Log in a device</h1>"
        "<p>Type the code that your terminal shows. Approve only if you started this login yourself.</p>"
        '<form method="post" action="/codex/device">'
        f"{alert}"
        '<label class="field">Code'
        f'<input class="code" name="user_code" value="{escape(user_code)}" required maxlength="16"{described}'
        ' autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="XXXX-XXXX"></label>'
        f"{_accounts(choices)}{_BUTTONS}</form>"
    )
    return _page("Log in a device", body, status=400 if problem else 200)


def message_page(title: str, text: str, *, status: int = 200) -> Reply:
    """Return a page that only says something."""
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", status=status)


_BUTTONS = (
    '<div class="buttons">'
    '<button class="go" name="decision" value="approve">Approve</button>'
    '<button name="decision" value="deny" formnovalidate>Deny</button></div>'
)


def _accounts(choices: Sequence[Choice]) -> str:
    rows = [
        _radio(
            choice.value,
            f'{escape(choice.wish.email)} <span class="soft">({escape(choice.wish.plan_type)})</span>',
            index == 0,
        )
        for index, choice in enumerate(choices)
    ]
    rows.append(_radio("new", "Another one:", not choices))
    plans = "".join(f"<option>{plan}</option>" for plan in PLANS)
    return (
        f"<fieldset><legend>Account</legend>{''.join(rows)}"
        '<label class="field">E-mail of the other one<input type="email" name="email"'
        ' value="sandbox@example.com" maxlength="120"></label>'
        f'<label class="field">Its plan<select name="plan">{plans}</select></label></fieldset>'
    )


def _radio(value: str, label: str, checked: bool) -> str:  # noqa: FBT001 - one place, two values
    on = " checked" if checked else ""
    return (
        f'<label class="choice"><input type="radio" name="account" value="{escape(value)}"{on}>'
        f"<span>{label}</span></label>"
    )


def _page(title: str, body: str, *, status: int = 200, form_action: str = "'self'") -> Reply:
    html = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · sandbox issuer</title><style>{_STYLE}</style></head><body><main>"
        f'<div class="badge">sandbox issuer, not OpenAI</div>{body}</main></body></html>'
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    return Reply(
        status=status,
        body=html.encode(),
        content_type="text/html; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )
