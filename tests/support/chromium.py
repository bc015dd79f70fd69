"""A real Chromium, driven by playwright, for people's pages."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.need import need_program

__all__ = ["chromium", "page_of"]

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LIMIT_MS = 60_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium without a window until the block ends."""
    path = need_program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS), timeout=_LIMIT_MS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(browser: Browser, *, width: int = 1280) -> Iterator[Page]:
    """Open a page of its own; whatever the console complains of fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 760})
    context.set_default_timeout(_LIMIT_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    # A refusal is a page with its status, which the console repeats.
    assert [said for said in complaints if "Failed to load resource" not in said] == []
