"""Row 10 of the reliability table as data: which answer of the issuer is of which class.

The first table is that of the design, "phase decides", answer by answer; what a class means for an
account of the broker and for a login in a file stands beside the tests of each. What goes wrong
before a request is handed over, or with bytes that no issuer would send, is in ``table_network``.
"""

from dataclasses import dataclass

from fetchtoken.oauth.outcome import Kind

__all__ = ["CELLS", "PATIENCE_S", "Cell", "ids"]

NOTHING = "not processed"
"""The issuer's log of a request whose fault came first."""
ROTATED = "rotated"
KILLED = "reused: family revoked"

PATIENCE_S = 12
"""What ``Retry-After`` asks for: longer than any first back-off."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One answer.

    Attributes:
        fault: as the sandbox issuer names it; empty for an honest answer.
        kind: the class that follows.
        word: what the account's ``last_error`` says.
        log: what the issuer did with the request.
        shape: where an error's code stands.
        patience_s: what it asks for with ``Retry-After``.
    """

    fault: str
    kind: Kind
    word: str = ""
    log: str = NOTHING
    shape: str = "nested"
    patience_s: int = 0

    def __str__(self) -> str:
        name = self.fault or "no fault"
        return f"{self.kind} {name}" + (f", {self.shape}" if self.shape != "nested" else "")


def ids(cells: list[Cell]) -> list[str]:
    """Return the names under which cells are tests."""
    return [str(cell) for cell in cells]


_USED = ("refresh_token_reused", "invalid_grant")
_CODES = ("refresh_token_reused", "refresh_token_expired", "refresh_token_invalidated", "invalid_grant")
_NAMED = dict(zip(("refuse-reused", "refuse-expired", "refuse-revoked", "refuse-grant"), _CODES, strict=True))


def _refusal(fault: str, code: str, shape: str = "nested") -> Cell:
    word = f"other_holder: {code}" if code in _USED else code
    return Cell(fault=fault, kind=Kind.REFUSED, word=word, shape=shape)


TOKENS = [
    Cell(fault="", kind=Kind.TOKENS, log=ROTATED),
    Cell(fault="slow", kind=Kind.TOKENS, log=ROTATED),
    Cell(fault="no-id-token", kind=Kind.TOKENS, log=ROTATED),
    Cell(fault="no-refresh-token", kind=Kind.TOKENS, log="renewed"),
    Cell(fault="other-account", kind=Kind.TOKENS, log=ROTATED),
]

REFUSED = [
    *(
        _refusal(fault, code, shape)
        for fault, code in _NAMED.items()
        for shape in ("nested", "string", "top")
    ),
    *(_refusal(f"status-{status}-{code}", code) for status in (400, 401, 403) for code in _CODES),
    Cell(fault="refuse-bare", kind=Kind.REFUSED, word="http_401"),
    Cell(fault="status-401-another_word", kind=Kind.REFUSED, word="http_401"),
]

TRY_LATER = [
    *(Cell(fault=fault, kind=Kind.TRY_LATER, word=f"http_{fault}") for fault in ("429", "503")),
    *(
        Cell(fault=f"{status}-retry-after", kind=Kind.TRY_LATER, word=f"http_{status}", patience_s=PATIENCE_S)
        for status in (429, 503)
    ),
    Cell(fault="redirect-302", kind=Kind.TRY_LATER, word="http_302"),
    Cell(fault="redirect-307", kind=Kind.TRY_LATER, word="http_307"),
    Cell(fault="403-page", kind=Kind.TRY_LATER, word="http_403"),
    *(
        Cell(fault=f"status-{answer}", kind=Kind.TRY_LATER, word=f"http_{answer[:3]}")
        for answer in ("400", "400-invalid_request", "403-unsupported_country", "404", "408", "425", "451")
    ),
    # An issuer that rotates and says 503 takes the login away: the design bets that none does.
    Cell(fault="commit-then-503", kind=Kind.TRY_LATER, word="http_503", log=ROTATED),
]

UNKNOWN = [
    Cell(fault="500", kind=Kind.UNKNOWN, word="http_500"),
    *(
        Cell(fault=f"status-{status}", kind=Kind.UNKNOWN, word=f"http_{status}")
        for status in (201, 204, 501, 502, 504)
    ),
    Cell(fault="html", kind=Kind.UNKNOWN, word="http_200"),
    Cell(fault="not-json", kind=Kind.UNKNOWN, word="http_200"),
    Cell(fault="reset", kind=Kind.UNKNOWN, word="no_answer"),
    Cell(fault="torn", kind=Kind.UNKNOWN, word="http_200", log=ROTATED),
    Cell(fault="missing-fields", kind=Kind.UNKNOWN, word="http_200", log=ROTATED),
    Cell(fault="no-access-token", kind=Kind.UNKNOWN, word="http_200", log=ROTATED),
    *(
        Cell(fault=f"commit-then-{fault}", kind=Kind.UNKNOWN, word=word, log=ROTATED)
        for fault, word in (("500", "http_500"), ("reset", "no_answer"), ("html", "http_200"))
    ),
    Cell(fault="hang", kind=Kind.UNKNOWN, word="no_answer"),
    Cell(fault="commit-then-hang", kind=Kind.UNKNOWN, word="no_answer", log=ROTATED),
]

CELLS = [*TOKENS, *REFUSED, *TRY_LATER, *UNKNOWN]
