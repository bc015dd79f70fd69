"""Device logins at a real broker, without Codex and without a browser: who asks, and who approves."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from broker.api.origins import origin_of
from tests.support.daemon import Answer, Daemon, ask, running_daemon
from tests.support.proxy import free_port
from tests.support.visitor import Page, visit

__all__ = ["Approver", "Asker", "daemon_with_address", "ticket_in"]


@contextmanager
def daemon_with_address(root: Path, issuer_url: str, scheme: str = "http", **more: str) -> Iterator[Daemon]:
    """Run a daemon that knows its own address, on loopback; ``more`` goes into its environment."""
    port = str(free_port())
    known = {
        "CODEX_BROKER_SERVER_PORT": port,
        "CODEX_BROKER_SERVER_PUBLIC_URL": f"{scheme}://127.0.0.1:{port}",
    }
    with running_daemon(root, issuer_url, **known, **more) as daemon:
        yield daemon


@dataclass(frozen=True)
class Asker:
    """What Codex sends.

    Args:
        url: of the broker.
    """

    url: str

    def post(self, path: str, fields: dict[str, Any], source: str = "") -> Answer:
        """Send fields as JSON, from a loopback address of one's own where another's budget matters."""
        headers = {"Content-Type": "application/json"}
        body = json.dumps(fields).encode()
        return ask(self.url, path, method="POST", body=body, headers=headers, source=source)

    def begin(self, source: str = "", client_id: str = "app_x") -> Answer:
        """Ask for a login."""
        return self.post("/api/accounts/deviceauth/usercode", {"client_id": client_id}, source)

    def kept(self, source: str = "", client_id: str = "app_x") -> dict[str, str]:
        """Return what is kept of a login that was asked for."""
        document = self.begin(source, client_id).document
        return {name: document[name] for name in ("device_auth_id", "user_code")}

    def poll(self, kept: dict[str, str]) -> Answer:
        """Ask how it goes."""
        return self.post("/api/accounts/deviceauth/token", kept)

    def redeem(self, told: Answer, client_id: str = "app_x") -> Answer:
        """Exchange the code that was told."""
        fields = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": told.document["authorization_code"],
            "redirect_uri": f"{self.url}/deviceauth/callback",
            "code_verifier": told.document["code_verifier"],
        }
        return self.post("/oauth/token", fields)

    def refresh(self, brought: Answer) -> Answer:
        """Present the credential that was brought."""
        credential = brought.document["refresh_token"]
        return self.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": credential})


def ticket_in(page: Page) -> str:
    """Return the ticket of the page that asks for a decision."""
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found, page
    return unescape(found[1])


@dataclass(frozen=True)
class Approver:
    """Whoever approves.

    Args:
        url: of the broker.
    """

    url: str

    def send(self, form: dict[str, str], **headers: str) -> Page:
        """Send a form, as from a page of the broker's own unless a header says otherwise."""
        sent = {"Origin": origin_of(self.url), "Sec_Fetch_Site": "same-origin"} | headers
        kept = {name: value for name, value in sent.items() if value}
        return visit(f"{self.url}/codex/device", method="POST", form=form, **kept)

    def look(self, user_code: str, invite: str, **headers: str) -> Page:
        """Send both codes."""
        return self.send({"user_code": user_code, "invite": invite}, **headers)

    def decide(
        self,
        ticket: str,
        *,
        account: str = "work",
        machine: str = "box",
        decision: str = "approve",
        **headers: str,
    ) -> Page:
        """Send a decision."""
        form = {"ticket": ticket, "machine": machine, "account": account, "decision": decision}
        return self.send(form, **headers)

    def approve(self, user_code: str, invite: str, *, account: str = "work", machine: str = "box") -> Page:
        """Do both."""
        return self.decide(ticket_in(self.look(user_code, invite)), account=account, machine=machine)
