"""A person at the broker's page for device logins, without a browser: sends its forms as a browser would."""

import re
from dataclasses import dataclass
from html import unescape

from broker.api.origins import origin_of
from tests.support.visitor import Page, visit

__all__ = ["Approver", "ticket_in"]


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
