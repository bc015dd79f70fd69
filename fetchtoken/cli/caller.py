"""Who runs a command: what was typed before it, and where its words go."""

from __future__ import annotations

import typer

from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.options import Options
from fetchtoken.output import Stream, emit
from fetchtoken.settings import Settings, load
from fetchtoken.settings.cascade import Cascade

__all__ = ["Caller", "caller_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Caller:
    """Everything that a command takes from outside, so that tests can stand there instead.

    Attributes:
        options: the options before the command's name.
        environ: the environment.
        cwd: the absolute working directory, or an empty string.
        stdout: takes data.
        stderr: takes everything for people.
        arm: ends this process after so many seconds, where it is the command's own.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        cwd: str,
        stdout: Stream,
        stderr: Stream,
        *,
        arm: Callable[[float, Stream], None] | None = None,
    ) -> None:
        self.options = Options()
        self.environ = environ
        self.cwd = cwd
        self.stdout = stdout
        self.stderr = stderr
        self.arm = arm

    def settings(self, *, check_project: bool = True) -> Settings:
        """Return the settings, with their notes said.

        Raises:
            ConfigError: a value is not allowed.
            Unsafe: a project file sets more than it may, and ``check_project``.
        """
        settings = load(self.options, self.environ, self.cwd, check_project=check_project)
        for text in settings.notes:
            self.stderr.note(text)
        return settings

    def files(self) -> Cascade:
        """Return the settings files as they stand, whatever their values and profile are worth.

        Raises:
            ConfigError: a trusted file has a malformed line.
        """
        cascade = Cascade(self.options, self.environ, self.cwd, read_profile=False)
        for text in cascade.notes:
            self.stderr.note(text)
        return cascade

    def note_higher_tier(self, key: str, path: str) -> bool:
        """Say so when what was just written into a file does not count; return whether it does."""
        try:
            settings = load(self.options, self.environ, self.cwd, check_project=False)
        except FetchTokenError as error:
            self.stderr.note(error.message)
            return False
        origin = settings.origin(key)
        if not origin or origin.startswith(f"{path}:") or origin == "built-in":
            return True
        self.stderr.note(f"{key} from {origin} still wins")
        return False

    def print(self, text: str) -> None:
        """Write a line of data to standard output."""
        emit(self.stdout, text + "\n")


def caller_of(context: typer.Context) -> Caller:
    """Return the caller that ``run_cli`` put into the context."""
    caller = context.obj
    if not isinstance(caller, Caller):
        message = "the app runs through run_cli only"
        raise TypeError(message)
    return caller
