"""What the command said, with what differs from run to run taken out."""

import re

from tests.support.command import Ran
from tests.support.laptop import Laptop

__all__ = ["said"]

_VARYING = (
    (r"127\.0\.0\.1:\d+", "ISSUER"),
    (r"\b\d+ s\b", "N s"),
    (r"\beyJ[\w.-]+", "TOKEN"),
)


def said(laptop: Laptop, ran: Ran) -> str:
    """Return exit code, output and errors as one text, errors marked with ``!``."""
    lines = [f"exit {ran.code}", *ran.out.splitlines(), *(f"! {line}" for line in ran.err.splitlines())]
    text = "\n".join(lines).replace(str(laptop.home), "~")
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    assert laptop.issuer.url not in text
    return text
