"""What one command asks of a source."""

__all__ = ["Request"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Request:
    """The demands that hold for one resolve, whatever the source.

    Args:
        account: the name asked for, or an empty string for the source's default.
        min_valid_s: seconds that the token must still live.
        force_refresh: only an exchange completed after ``started_at`` will do; with remote it
            bypasses the cache.
        no_refresh: exchange nothing.
        no_cache: ignore a cached copy, and keep none.
        started_at: epoch seconds at which the command began.
        deadline: ``time.monotonic()`` seconds at which the source gives up with ``Unavailable``.
        note: takes one line for people, printed to stderr; never a secret.
        interactive: whether a person may be asked, where one is at the terminal.
    """

    __slots__ = (
        "account",
        "deadline",
        "force_refresh",
        "interactive",
        "min_valid_s",
        "no_cache",
        "no_refresh",
        "note",
        "started_at",
    )

    def __init__(  # noqa: PLR0913 - a record; every field is named at the call
        self,
        *,
        account: str,
        min_valid_s: int,
        force_refresh: bool,
        no_refresh: bool,
        no_cache: bool,
        started_at: float,
        deadline: float,
        note: "Callable[[str], None]",
        interactive: bool = False,
    ) -> None:
        self.account = account
        self.min_valid_s = min_valid_s
        self.force_refresh = force_refresh
        self.no_refresh = no_refresh
        self.no_cache = no_cache
        self.started_at = started_at
        self.deadline = deadline
        self.note = note
        self.interactive = interactive
