"""Fixtures that any test may ask for, and the last lines of a run: what was missing on this machine."""

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.broker import broker
from tests.support.issuer import issuer, issuer_process
from tests.support.ports import callback_ports
from tests.support.signals import hear_signals, signals_as_before

__all__ = ["broker", "callback_ports", "issuer", "issuer_process", "signals_as_before"]


settings.register_profile(
    "untimed", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_configure() -> None:
    """Let signals reach what tests start, and no example fail for the time that it took."""
    hear_signals()
    settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _log_as_by_default() -> None:
    """Undo what a command, run in this process by another test, made of the log: its level above all."""
    structlog.reset_defaults()


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
