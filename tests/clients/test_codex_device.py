"""The real Codex CLI logs in to a broker with nothing of ours beside it, and needs no variable after that."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import Browser, Page, expect

from fetchtoken.domain.claims import unsigned_jwt
from tests.support.approving import Approver, Asker, daemon_with_address, ticket_in
from tests.support.authority import write_pair
from tests.support.backend import REPLY
from tests.support.chromium import chromium, page_of
from tests.support.codex_cli import LIMIT_S, Codex
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import issuer_in_thread

_CODE = re.compile(r"\b[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}\b")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_numbers = count(1)
PLAIN = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "", "CODEX_REVOKE_TOKEN_URL_OVERRIDE": ""}
"""Neither of Codex's own variables is set."""


@pytest.fixture(scope="module")
def sandbox():
    with issuer_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, sandbox):
    with daemon_with_address(tmp_path_factory.mktemp("broker"), sandbox.url) as running:
        running.hold(sandbox.mint(email="work@x.example"), "work")
        yield running


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def invited(daemon: Daemon) -> tuple[str, str]:
    """Return the name of a client that is not there yet, and the code of an invite for it."""
    name = f"machine-{next(_numbers)}"
    wishes = {"accounts": ["work"], "scopes": ["token"], "expires_s": 3600}
    return name, str(daemon.call("invite_add", name=name, **wishes)["code"])


def log_in(
    codex: Codex, daemon: Daemon, decide: Callable[[str], object], *, slash: str = "", **extra: str
) -> tuple[int, str]:
    """Run ``codex login --device-auth``, do something with the code that it shows; return how it ended."""
    codex.use_auth_file()
    words = [codex.binary, "login", "--device-auth", "--experimental_issuer", daemon.url + slash]
    with subprocess.Popen(
        words,
        env=codex.environment(PLAIN | extra),
        cwd=codex.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += _COLOUR.sub("", line)
            if found := _CODE.search(_COLOUR.sub("", line)):
                decide(found[0])
        return process.wait(LIMIT_S), said


def tokens(codex: Codex) -> dict[str, str]:
    """Return what Codex keeps."""
    held: dict[str, str] = json.loads((codex.home / "auth.json").read_text())["tokens"]
    return held


def expire(codex: Codex) -> None:
    """Have the access token end that Codex keeps."""
    file = codex.home / "auth.json"
    document = json.loads(file.read_text())
    past = datetime.now(UTC) - timedelta(hours=2)
    document["tokens"]["access_token"] = unsigned_jwt({"exp": int(past.timestamp())})
    file.write_text(json.dumps(document))


def approving(daemon: Daemon, code: str, machine: str = "box") -> Callable[[str], object]:
    """Return whoever approves with an invite code."""
    return lambda user_code: Approver(daemon.url).approve(user_code, code, machine=machine)


def fill_in(page: Page, daemon: Daemon, user_code: str, invite: str) -> None:
    """Approve a login as a person does."""
    page.goto(f"{daemon.url}/codex/device")
    page.get_by_label("Code that Codex shows").fill(user_code)
    page.get_by_label("Invite code").fill(invite)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name of the machine").fill("anns-laptop")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approved")


def current(daemon: Daemon) -> str:
    """Return the token that the broker holds."""
    key = daemon.add_client(f"reader-{next(_numbers)}", "work")
    return str(daemon.get("/codex", key).document["access_token"])


@pytest.mark.trap("T2", "T47")
def test_a_login_approved_in_a_browser_lasts_without_a_variable(
    codex: Codex, daemon: Daemon, sandbox, browser: Browser
) -> None:
    """Once its token has ended, Codex gets the next one from the broker, found by what the login wrote."""
    name, invite = invited(daemon)

    def by_browser(user_code: str) -> None:
        with page_of(browser) as page:
            fill_in(page, daemon, user_code, invite)

    code, said = log_in(codex, daemon, by_browser)
    assert (code, "Successfully logged in" in said) == (0, True), said
    held, before = tokens(codex), len(sandbox.exchanges())
    assert held["oauth_provenance"] == {"issuer": daemon.url, "client_id": "app_EMoamEEZ73f0CkXaXp7hrann"}
    assert held["refresh_token"].startswith("cbr_")
    codex.backend.accept(current(daemon))
    first = codex.run(**PLAIN)
    assert (first.returncode, first.stdout.strip()) == (0, REPLY), first.stderr
    expire(codex)
    assert daemon.stop() == 0
    daemon.start()
    second = codex.run(**PLAIN)
    assert (second.returncode, second.stdout.strip()) == (0, REPLY), second.stderr
    assert tokens(codex)["refresh_token"] == held["refresh_token"]
    assert len(sandbox.exchanges()) == before
    assert codex.backend.token_requests == []
    [machine] = daemon.call("client_show", name=name)["machines"]
    assert (machine["name"], machine["account"], machine["state"]) == ("anns-laptop", "work", "live")


@pytest.mark.trap("T44")
def test_a_login_that_is_over_ends_at_the_next_question(codex: Codex, daemon: Daemon) -> None:
    """Codex says so in a line, and does not wait for its quarter of an hour."""
    _, invite = invited(daemon)
    person = Approver(daemon.url)

    def deny(user_code: str) -> None:
        person.decide(ticket_in(person.look(user_code, invite)), decision="deny")

    code, said = log_in(codex, daemon, deny)
    assert (code, said.strip().splitlines()[-1]) == (
        1,
        "Error logging in: device auth failed with status 410 Gone",
    )
    assert not (codex.home / "auth.json").exists()


def test_why_a_code_brings_nothing_is_shown(codex: Codex, daemon: Daemon) -> None:
    """An account that cannot serve now: the person reads it, and the code is not spent."""
    _, invite = invited(daemon)

    def decide(user_code: str) -> None:
        approving(daemon, invite)(user_code)
        daemon.call("account_disable", name="work")

    try:
        code, said = log_in(codex, daemon, decide)
    finally:
        daemon.call("account_enable", name="work")
    assert (code, "the account is disabled" in said) == (1, True), said


@pytest.mark.trap("T47")
def test_a_broker_without_an_address_has_it_not_enabled(codex: Codex, tmp_path, sandbox) -> None:
    """404 is what Codex knows of servers without device logins."""
    (tmp_path / "plain").mkdir()
    with running_daemon(tmp_path / "plain", sandbox.url) as plain:
        code, said = log_in(codex, plain, str)
    assert (code, "device code login is not enabled" in said) == (1, True), said


@pytest.mark.trap("T22", "T24")
def test_a_second_login_leaks_the_first_credential_and_ends_it(codex: Codex, daemon: Daemon) -> None:
    """Codex posts it to OpenAI before it asks anything; the machine's new login revokes it all the same."""
    name, invite = invited(daemon)
    assert log_in(codex, daemon, approving(daemon, invite))[0] == 0
    first = tokens(codex)["refresh_token"]
    codex.backend.requests.clear()
    again = daemon.call("invite_device", name=name, accounts=[], expires_s=3600)["code"]
    # However the issuer is typed: a slash at its end is no other broker.
    assert log_in(codex, daemon, approving(daemon, again), slash="/")[0] == 0
    assert {seen.path for seen in codex.backend.token_requests} == {"auth.openai.com:443"}
    second = tokens(codex)["refresh_token"]
    assert second != first
    states = [one["state"] for one in daemon.call("client_show", name=name)["machines"]]
    assert states == ["revoked", "live"]
    fields = {"grant_type": "refresh_token", "refresh_token": first}
    assert Asker(daemon.url).post("/oauth/token", fields).code == "refresh_token_invalidated"


@pytest.mark.trap("T24")
def test_a_logout_that_knows_where_to_ends_the_credential_here(codex: Codex, daemon: Daemon) -> None:
    """With the variable nothing leaves for OpenAI, and only this machine loses its access."""
    name, invite = invited(daemon)
    assert log_in(codex, daemon, approving(daemon, invite))[0] == 0
    codex.backend.requests.clear()
    override = {"CODEX_REVOKE_TOKEN_URL_OVERRIDE": f"{daemon.url}/oauth/revoke"}
    assert codex.logout(**(PLAIN | override)).returncode == 0
    assert codex.backend.token_requests == []
    shown = daemon.call("client_show", name=name)
    assert (shown["state"], [one["state"] for one in shown["machines"]]) == ("live", ["revoked"])


def test_a_login_over_https_with_a_private_authority(
    codex: Codex, sandbox, browser: Browser, tmp_path: Path
) -> None:
    """Codex is told the authority by a variable of its own, for the login and for each refresh."""
    authority, root = trustme.CA(), tmp_path / "secure"
    root.mkdir()
    cert, key = write_pair(root / "tls", authority, "127.0.0.1")
    trust = {"CODEX_CA_CERTIFICATE": str(root / "ca.pem")}
    authority.cert_pem.write_to_path(trust["CODEX_CA_CERTIFICATE"])
    tls = {"CODEX_BROKER_TLS_CERT": str(cert), "CODEX_BROKER_TLS_KEY": str(key)}
    with daemon_with_address(root, sandbox.url, "https", **tls) as secure:
        login = sandbox.mint(email="secure@x.example")
        secure.hold(login, "work")
        _, invite = invited(secure)

        def by_browser(user_code: str) -> None:
            context = browser.new_context(ignore_https_errors=True)
            fill_in(context.new_page(), secure, user_code, invite)
            context.close()

        assert log_in(codex, secure, str)[0] == 1, "it trusts nobody by itself"
        code, said = log_in(codex, secure, by_browser, **trust)
        assert (code, "Successfully logged in" in said) == (0, True), said
        codex.backend.accept(login.access_token)
        expire(codex)
        run = codex.run(**PLAIN, **trust)
    assert (run.returncode, run.stdout.strip()) == (0, REPLY), run.stderr
