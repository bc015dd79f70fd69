"""A real Chromium walks both logins of both programs through the sandbox's pages."""

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import chromium, page_of
from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.programs import Machine
from tests.support.walking import said_of, start_account_login, start_login


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser):
    with page_of(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def sandbox():
    with issuer_in_thread() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, sandbox):
    with running_daemon(tmp_path_factory.mktemp("broker"), sandbox.url) as running:
        yield running


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def choose(page: Page, email: str) -> None:
    """Pick the other account and type its address, as a person with a keyboard."""
    page.get_by_label("Another one:").check()
    page.get_by_label("E-mail of the other one").fill(email)
    page.get_by_label("Its plan").select_option("team")


def device(page: Page, link: str, code: str, email: str) -> None:
    page.goto(link)
    page.get_by_label("Code").fill(code)
    choose(page, email)


@pytest.mark.usefixtures("callback_ports")
def test_the_command_by_browser(page, machine, sandbox):
    """The link, the page, Approve, and back: the command prints a token, and the new login can be renewed."""
    walking = start_login(machine, sandbox, "--browser", "--no-open")
    page.goto(walking.shown("http"))
    expect(page.get_by_role("heading")).to_have_text("Log in to Codex")
    choose(page, "ann@example.com")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading")).to_have_text("Approved")
    assert page.url.startswith("http://127.0.0.1:1455/auth/callback?")
    ran = walking.ended()
    assert ran.code == 0, ran
    assert "logged in as ann@example.com (plan team)" in ran.err
    first = machine.fetch()
    again = machine.fetch("--force-refresh")
    assert (first.code, again.code) == (0, 0)
    assert first.out != again.out
    assert sandbox.alive(again.out.strip())


def test_the_command_by_device(page, machine, sandbox):
    """The code typed on the page, in small letters, and approved: the command goes on by itself."""
    walking = start_login(machine, sandbox, "--device")
    device(page, walking.shown("http"), walking.user_code().lower(), "ann@example.com")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading")).to_have_text("Approved")
    ran = walking.ended()
    assert ran.code == 0, ran
    assert sandbox.alive(machine.fetch("--force-refresh").out.strip())


@pytest.mark.usefixtures("callback_ports")
def test_the_broker_by_browser(page, daemon, sandbox):
    """The same walk for an account of the broker, which then serves and renews it."""
    walking = start_account_login(daemon, sandbox, "ben", "--browser", "--no-open")
    page.goto(walking.shown("http"))
    choose(page, "ben@example.com")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading")).to_have_text("Approved")
    ran = walking.ended()
    assert (ran.code, ran.out) == (0, "logged in ben\n"), ran
    key = daemon.add_client("laptop-ben", "ben")
    served = daemon.get("/codex", key).document["access_token"]
    assert sandbox.alive(served)
    assert daemon.admin("account", "refresh", "ben", "--force").code == 0
    assert daemon.get("/codex", key).document["access_token"] != served


def test_the_broker_by_device(page, daemon, sandbox):
    """The device page approves for the broker as well."""
    walking = start_account_login(daemon, sandbox, "cat", "--device", "--json")
    device(page, walking.shown("http"), walking.user_code(), "cat@example.com")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading")).to_have_text("Approved")
    ran = walking.ended()
    assert ran.code == 0, ran
    assert json.loads(ran.out)["plan_type"] == "team"


@pytest.mark.usefixtures("callback_ports")
def test_deny_in_the_browser(page, machine, sandbox):
    """The no comes back to the command: 6, and the old login is as it was."""
    machine.auth_file.parent.mkdir(mode=0o700)
    sandbox.mint(email="dan@example.com").write(machine.auth_file)
    before = machine.auth_file.read_bytes()
    walking = start_login(machine, sandbox, "--browser", "--force")
    page.goto(walking.shown("http"))
    expect(page.get_by_label("dan@example.com")).to_be_checked()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading")).to_have_text("Not logged in")
    ran = walking.ended()
    assert (ran.code, machine.auth_file.read_bytes()) == (6, before), ran


def test_deny_for_a_device(page, machine, sandbox):
    """Nothing but the code is needed to say no."""
    walking = start_login(machine, sandbox, "--device")
    page.goto(walking.shown("http"))
    page.get_by_label("Code").fill(walking.user_code())
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading")).to_have_text("Denied")
    ran = walking.ended()
    assert (ran.code, machine.auth_file.exists()) == (6, False), ran


def test_a_code_that_nobody_has(page, sandbox):
    """The page says so beside the field, keeps what was typed, and the next try works as the first."""
    page.goto(f"{sandbox.url}/codex/device")
    page.get_by_label("Code").fill("BBBB-BBBB")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_have_text("No login waits for this code.")
    expect(page.get_by_label("Code")).to_have_value("BBBB-BBBB")


@pytest.mark.usefixtures("callback_ports")
def test_a_hostile_page_cannot_bring_a_code(page, machine, sandbox):
    """Its form is refused unread, and the person's own approval still comes through."""
    walking = start_login(machine, sandbox, "--browser")
    link = walking.shown("http")
    page.route(
        "http://evil.test/",
        lambda route: route.fulfill(
            content_type="text/html",
            body='<form method="post" action="http://127.0.0.1:1455/auth/callback">'
            '<input name="code" value="ac_stranger"><input name="state" value="x">'
            "<button>win</button></form>",
        ),
    )
    page.goto("http://evil.test/")
    page.get_by_role("button", name="win").click()
    expect(page.get_by_role("heading")).to_have_text("Not here")
    page.goto(link)
    choose(page, "ann@example.com")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading")).to_have_text("Approved")
    ran = walking.ended()
    assert ran.code == 0, ran
    assert said_of(machine.auth_file)["auth_mode"] == "chatgpt"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_fit(browser, sandbox, width):
    """Nothing runs out of a telephone's screen, every field has a label, and Tab reaches the buttons."""
    sandbox.mint(email=f"{'a-long-address' * 4}@example.com")
    with page_of(browser, width=width) as page:
        page.goto(f"{sandbox.url}/codex/device")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.querySelectorAll('input,select')].every(e => e.labels.length)")
        page.get_by_label("Code").focus()
        for _ in range(8):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.value") == "approve":
                break
        assert page.evaluate("document.activeElement.value") == "approve"
