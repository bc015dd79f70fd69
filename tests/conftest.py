"""Fixtures that any test may ask for, and the last lines of a run: what was missing on this machine."""

import signal

import pytest

from tests.support.broker import broker
from tests.support.issuer import issuer, issuer_process

__all__ = ["broker", "issuer", "issuer_process"]


def pytest_configure() -> None:
    """Let signals reach what tests start, even where the run itself is in the background (``nohup … &``)."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what skipped tests would have needed, each with its package."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = reason.removeprefix("Skipped: ")
        reasons[text] = reasons.get(text, 0) + 1
    if reasons:
        terminalreporter.section("missing on this machine")
        for text, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} skipped: {text}")
