"""The broker's page for device logins in a real Chromium: people approve on it, and nobody by way of it."""

import re
import threading
from contextlib import contextmanager
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.approving import Approver, Asker, daemon_with_address, ticket_in
from tests.support.chromium import chromium, page_of
from tests.support.daemon import Daemon
from tests.support.issuer import issuer_in_thread

HOSTILE = "<img src=x onerror=alert(1)><script>alert(1)</script>\"'"
_numbers = count(1)


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser):
    with page_of(browser) as opened:
        yield opened


class Scene:
    """A daemon that knows its address, whoever asks it for a login, and whoever invites.

    Attributes:
        page: where people approve.
        asker: what Codex sends.
        person: an approver without a browser.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.origin = daemon.url
        self.page = f"{daemon.url}/codex/device"
        self.asker = Asker(daemon.url)
        self.person = Approver(daemon.url)

    def begin(self, **how: str) -> dict[str, str]:
        """Ask for a login, from an address of one's own: each has ten that wait."""
        return self.asker.kept(f"127.8.0.{next(_numbers)}", **how)

    def invited(self, *accounts: str) -> str:
        """Return the code of an invite for a client of its own."""
        wishes = {"accounts": list(accounts), "scopes": ["token"], "expires_s": 3600}
        return str(self._daemon.call("invite_add", name=f"machine-{next(_numbers)}", **wishes)["code"])

    def ticket(self, kept: dict[str, str], invite: str) -> str:
        """Return what the page for a decision carries."""
        return ticket_in(self.person.look(kept["user_code"], invite))

    def waits(self, kept: dict[str, str]) -> bool:
        """Tell whether nobody has decided on a login."""
        return self.asker.poll(kept).code == "authorization_pending"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with (
        issuer_in_thread() as issuer,
        daemon_with_address(tmp_path_factory.mktemp("broker"), issuer.url) as daemon,
    ):
        for name in ("work", "home", "other"):
            daemon.hold(issuer.mint(email=f"{name}@x.example"), name)
        yield Scene(daemon)


def fill(page: Page, scene: Scene, user_code: str, invite: str) -> None:
    """Type both codes, as a person does."""
    page.goto(scene.page)
    page.get_by_label("Code that Codex shows").fill(user_code.lower())
    page.get_by_label("Invite code").fill(invite)
    page.get_by_role("button", name="Go on").click()


def name(page: Page) -> None:
    """Name the machine."""
    page.get_by_label("Name of the machine").fill("box")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_a_person_approves(page, scene):
    """Both codes, the address of who asked, a name, one account: the machine gets its credential."""
    kept = scene.begin()
    fill(page, scene, kept["user_code"], scene.invited("work", "home"))
    heading(page, "Approve this machine?")
    expect(page.get_by_role("definition").first).to_have_text(re.compile(r"127\.8\.0\.\d+"))
    page.get_by_label("Name of the machine").fill("ann.laptop")
    page.get_by_label("home").check()
    press(page, "Approve")
    heading(page, "Approved")
    brought = scene.asker.redeem(scene.asker.poll(kept))
    assert brought.status == 200
    assert page.context.cookies() == []
    assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0


def test_a_person_denies_without_picking_anything(page, scene):
    """The form asks for name and account only of whoever approves."""
    kept = scene.begin()
    fill(page, scene, kept["user_code"], scene.invited("work", "home"))
    press(page, "Deny")
    heading(page, "Denied")
    assert scene.asker.poll(kept).code == "access_denied"


def test_nothing_is_approved_before_an_account_is_picked(page, scene):
    """The browser holds the form back, and says so at the choice."""
    kept = scene.begin()
    fill(page, scene, kept["user_code"], scene.invited("work", "home"))
    press(page, "Approve")
    heading(page, "Approve this machine?")
    assert page.evaluate("document.querySelector('input[name=account]').validity.valueMissing")
    page.get_by_label("work").check()
    page.get_by_label("Name of the machine").fill("No Name!")
    press(page, "Approve")
    assert page.evaluate("document.querySelector('#machine').validity.patternMismatch")
    assert scene.waits(kept)


def test_wrong_codes_come_back_with_the_reason(page, scene):
    """As text on the page that asks for them."""
    fill(page, scene, scene.begin()["user_code"], "cbi_nobody")
    expect(page.get_by_role("alert")).to_have_text("The invite code is unknown, used, expired or revoked.")
    fill(page, scene, "AAAA-AAAA", scene.invited("work"))
    expect(page.get_by_role("alert")).to_contain_text("No machine waits with that code")


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("input[name=account]:checked", "other", 403),
        ("input[name=account]:checked", "nobody", 403),
        ("input[name=ticket]", "x" * 43, 403),
        ("input[name=machine]", HOSTILE, 400),
        ("button[value=approve]", "grant", 400),
    ],
)
def test_a_rewritten_page_approves_nothing(page, scene, field, value, status):
    """Whatever is put into it, by hand or by an extension: the invite and the ticket decide."""
    kept = scene.begin()
    fill(page, scene, kept["user_code"], scene.invited("work"))
    name(page)
    page.evaluate("document.querySelector('form').noValidate = true")
    page.eval_on_selector(field, "(element, value) => { element.value = value }", value)
    with page.expect_response("**/codex/device") as answered:
        press(page, "Approve")
    assert answered.value.status == status
    heading(page, "Nothing was done")
    assert page.locator("img, script").count() == 0
    assert scene.waits(kept)


def test_the_ticket_of_another_request_does_not_serve_for_this_one(page, scene):
    """Put into this page's form it stands for the other request and the other invite: nothing comes of it."""
    mine, theirs = scene.begin(), scene.begin()
    ticket = scene.ticket(theirs, scene.invited("other"))
    fill(page, scene, mine["user_code"], scene.invited("work"))
    name(page)
    page.eval_on_selector("input[name=ticket]", "(element, value) => { element.value = value }", ticket)
    press(page, "Approve")
    heading(page, "Nothing was done")
    assert scene.waits(mine)
    assert scene.waits(theirs)


def test_an_added_field_approves_nothing(page, scene):
    """Nor does a second one of the same name."""
    for added in ('<input name="client" value="admin">', '<input name="account" value="other">'):
        kept = scene.begin()
        fill(page, scene, kept["user_code"], scene.invited("work"))
        name(page)
        page.eval_on_selector("form", "(form, html) => form.insertAdjacentHTML('beforeend', html)", added)
        press(page, "Approve")
        heading(page, "Nothing was done")
        assert scene.waits(kept)


def test_a_used_page_is_used(page, scene):
    """Back to it and once more: nothing happens a second time."""
    fill(page, scene, scene.begin()["user_code"], scene.invited("work"))
    form = page.eval_on_selector("form", "form => Object.fromEntries(new FormData(form))")
    press(page, "Deny")
    heading(page, "Denied")
    again = scene.person.send(form | {"decision": "approve", "machine": "box"})
    assert (again.status, "This page is used" in again.text) == (403, True)


def test_what_a_program_calls_itself_stays_text(page, scene):
    """No element comes of it, and no script runs."""
    said = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    kept = scene.begin(client_id=HOSTILE)
    fill(page, scene, kept["user_code"], scene.invited("work"))
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert page.locator("img, script").count() == 0
    assert said == []


def test_no_script_runs_on_the_page_even_where_one_got_into_it(browser, scene):
    """The policy refuses it: a second line behind the escaping."""
    with opened(browser) as page:
        page.goto(scene.page)
        page.evaluate(
            "() => { const tag = document.createElement('script');"
            " tag.textContent = 'document.title = \"taken\"'; document.body.append(tag) }"
        )
        page.evaluate("() => document.body.insertAdjacentHTML('beforeend', '<img src=/x onerror=\"x()\">')")
        assert page.title() == "Log a machine in"


def test_a_form_of_the_page_cannot_be_led_elsewhere(browser, scene, elsewhere):
    """Where its action is rewritten, the browser refuses to send the codes to another origin."""
    with opened(browser) as page:
        page.goto(scene.page)
        page.get_by_label("Code that Codex shows").fill("AAAA-AAAA")
        page.get_by_label("Invite code").fill("cbi_x")
        with page.expect_console_message(lambda said: "form-action" in said.text):
            page.eval_on_selector(
                "form", "(form, to) => { form.action = to; form.requestSubmit() }", elsewhere.url("/take")
            )
        assert page.url == scene.page
    assert elsewhere.posts == []


class Elsewhere:
    """Another origin, with the pages that a test puts there.

    Attributes:
        posts: paths to which something was posted.
    """

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.posts: list[str] = []
        self.port = 0

    def url(self, path: str, host: str = "localhost") -> str:
        return f"http://{host}:{self.port}{path}"

    def put(self, body: str, host: str = "localhost") -> str:
        """Serve a page; return its address."""
        path = f"/{len(self.pages)}"
        self.pages[path] = f"<!doctype html><title>elsewhere</title>{body}"
        return self.url(path, host)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, place: Elsewhere, *rest: object) -> None:
        self._place = place
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        body = self._place.pages.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self._place.posts.append(self.path)
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture(scope="module")
def elsewhere():
    """A web server of somebody else."""
    place = Elsewhere()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, place)) as server:
        place.port = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield place
        server.shutdown()


@contextmanager
def opened(browser: Browser):
    """Open a page whose complaints are expected."""
    context = browser.new_context()
    try:
        yield context.new_page()
    finally:
        context.close()


def hidden(fields: dict[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items()
    )


FORMS = {
    "another site": ("localhost", '<form id="f" method="post" action="{to}">{fields}</form>'),
    "another port": ("127.0.0.1", '<form id="f" method="post" action="{to}">{fields}</form>'),
    "without its address": (
        "localhost",
        (
            '<meta name="referrer" content="no-referrer">'
            '<form id="f" method="post" action="{to}">{fields}</form>'
        ),
    ),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_page_from_elsewhere_cannot_approve(browser, scene, elsewhere, kind):
    """With right codes and with a right ticket: the browser says whose page it is."""
    kept, invite = scene.begin(), scene.invited("work")
    ticket = scene.ticket(kept, invite)
    decision = {"ticket": ticket, "machine": "box", "account": "work", "decision": "approve"}
    host, form = FORMS[kind]
    with opened(browser) as page:
        for fields in ({"user_code": kept["user_code"], "invite": invite}, decision):
            text = form.format(to=scene.page, fields=hidden(fields))
            page.goto(elsewhere.put(text, host))
            with page.expect_response(scene.page) as answered:
                page.evaluate("document.getElementById('f').submit()")
            assert answered.value.status == 403
            heading(page, "Nothing was done")
            sent = answered.value.request.all_headers()
            assert sent["sec-fetch-site"] in ("cross-site", "same-site")
            assert sent.get("origin") != scene.origin
    assert scene.waits(kept)
    assert scene.person.decide(ticket).status == 200


def test_a_script_from_elsewhere_cannot_approve(browser, scene, elsewhere):
    """Sent blindly it is refused; read it cannot be at all."""
    kept = scene.begin()
    ticket = scene.ticket(kept, scene.invited("work"))
    decision = {"ticket": ticket, "machine": "box", "account": "work", "decision": "approve"}
    with opened(browser) as page:
        page.goto(elsewhere.put("<p>x</p>"))
        how = [scene.page, decision]
        for mode in ("no-cors", "cors"):
            page.evaluate(
                "([to, fields, mode]) => fetch(to, {method: 'POST', mode, credentials: 'include',"
                " body: new URLSearchParams(fields)}).catch(() => null)",
                [*how, mode],
            )
        read = page.evaluate("to => fetch(to).then(answer => answer.text()).catch(() => null)", how[0])
        assert read is None
    assert scene.waits(kept)


def test_the_page_cannot_be_framed(browser, scene, elsewhere):
    """Neither page shows in another's frame, where it could be laid under something else."""
    with opened(browser) as page:
        page.goto(elsewhere.put(f'<iframe src="{scene.page}" width="600" height="600"></iframe>'))
        page.wait_for_load_state("networkidle")
        (frame,) = page.frames[1:]
        assert frame.url.startswith("chrome-error://") or frame.locator("form").count() == 0
        assert frame.get_by_label("Invite code").count() == 0


def test_a_form_in_a_sandboxed_frame_cannot_approve(browser, scene, elsewhere):
    """An origin that is nobody's is not the page's own."""
    kept, invite = scene.begin(), scene.invited("work")
    fields = hidden({"user_code": kept["user_code"], "invite": invite})
    inner = f'<form method=post action="{scene.page}" target=_self>{fields}<button>Go</button></form>'
    frame = f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{escape(inner)}"></iframe>'
    with opened(browser) as page:
        page.goto(elsewhere.put(frame))
        button = page.frame_locator("iframe").get_by_role("button")  # the frame is watched once this is there
        with page.expect_response(scene.page) as answered:
            button.click()
        assert answered.value.status == 403
        assert answered.value.request.all_headers()["origin"] == "null"
    assert scene.waits(kept)


def test_no_address_of_the_page_gets_out(page, scene):
    """The codes stand in no address, before or after, so neither history nor a log has them."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    kept, invite = scene.begin(), scene.invited("work")
    fill(page, scene, kept["user_code"], invite)
    name(page)
    press(page, "Approve")
    heading(page, "Approved")
    assert set(seen) == {scene.page}
    assert page.evaluate("document.querySelectorAll('a').length") == 0
