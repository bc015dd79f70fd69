"""A person at the sandbox issuer's pages, without a browser: opens links, presses buttons."""

import re
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from tests.support.issuer import WAIT_S

__all__ = ["Page", "approve_device", "decide", "post_form", "visit"]


@dataclass(frozen=True)
class Page:
    """What a browser would have got; header names in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("location", "")


def visit(url: str, *, method: str = "GET", form: dict[str, str] | None = None, **headers: str) -> Page:
    """Send one request and follow nothing; ``headers`` with ``_`` for ``-``."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT_S)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    body = None
    if form is not None:
        body = urlencode(form)
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        connection.request(method, target or "/", body, sent)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Page(response.status, found, response.read().decode())
    finally:
        connection.close()


def post_form(url: str, **form: str) -> Page:
    return visit(url, method="POST", form=form)


def decide(link: str, *, decision: str = "approve", email: str = "sandbox@example.com") -> str:
    """Open an authorization link, decide, and return where the browser is sent."""
    page = visit(link)
    assert page.status == 200, page
    found = re.search(r'name="request" value="([^"]+)"', page.text)
    assert found, page.text
    parts = urlsplit(link)
    answer = post_form(
        f"{parts.scheme}://{parts.netloc}{parts.path}",
        request=found[1],
        decision=decision,
        account="new",
        email=email,
        plan="pro",
    )
    assert answer.status == 303, answer
    return answer.location


def approve_device(
    issuer_url: str, user_code: str, *, decision: str = "approve", email: str = "sandbox@example.com"
) -> Page:
    """Type a device's code at the issuer's page and decide."""
    return post_form(
        f"{issuer_url}/codex/device",
        user_code=user_code,
        decision=decision,
        account="new",
        email=email,
        plan="pro",
    )
