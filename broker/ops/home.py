"""The broker's home: one directory, 0700, that holds everything the daemon must keep."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fetchtoken.domain.errors import ConfigError, Unsafe

__all__ = ["HOME_VARIABLE", "Home", "resolve_home"]

HOME_VARIABLE = "CODEX_BROKER_HOME"
_PRIVATE = 0o700
_OTHERS = 0o077
_COMMAND = "command"
_COMMAND_ENDS_WITHIN_S = 10.0
_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Home:
    """Where each of the broker's files lies."""

    path: Path

    @property
    def config(self) -> Path:
        """The settings."""
        return self.path / "broker.toml"

    @property
    def database(self) -> Path:
        """The store, unless ``store.url`` names another."""
        return self.path / "broker.db"

    @property
    def socket(self) -> Path:
        """Where the running daemon takes administrative commands."""
        return self.path / "admin.sock"

    @property
    def lock_file(self) -> Path:
        """Locked by the daemon, or by the one command that works without it."""
        return self.path / "broker.lock"

    @property
    def journal(self) -> Path:
        """One file for each attempt whose answer is not in the store yet."""
        return self.path / "journal"

    @property
    def high_water(self) -> Path:
        """How far each login had got, beside the store."""
        return self.path / "high-water"

    @property
    def audit_head(self) -> Path:
        """Where the audit trail of this home ends, outside the store."""
        return self.path / "audit.head"

    @property
    def ssh_host_key(self) -> Path:
        """By which clients recognise the SSH front door."""
        return self.path / "ssh_host_ed25519_key"

    @property
    def sandbox(self) -> "Home":
        """The home of ``up --sandbox``, apart from the real one."""
        return Home(self.path / "sandbox")

    def make(self) -> bool:
        """Make the directories that are missing; tell whether the home is new.

        Raises:
            ConfigError: it cannot be made.
            Unsafe: it exists with other modes or another owner.
        """
        new = not self.path.exists()
        try:
            self.path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            if not new:
                self.check()
            self.journal.mkdir(mode=_PRIVATE, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"the home {self.path} cannot be made: {error.strerror}",
                hint=f"choose another with --home or {HOME_VARIABLE}",
            ) from None
        return new

    def check(self) -> None:
        """Raise unless the home is a directory of the caller's own that nobody else can enter.

        Raises:
            ConfigError: there is none.
            Unsafe: another owner, or modes for group or others.
        """
        self.check_modes()
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise Unsafe(
                f"the home {self.path} belongs to user {owner}, you are {os.geteuid()}",
                hint=f"run as its owner: sudo -u '#{owner}' codex-broker …",
            )

    def check_modes(self) -> None:
        """Raise unless the home is a directory that only its owner can enter, whoever that is.

        Raises:
            ConfigError: there is none.
            Unsafe: modes for group or others, or the caller cannot look.
        """
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(f"there is no broker home at {self.path}", hint="codex-broker init") from None
        except PermissionError:
            raise Unsafe(f"the home {self.path} belongs to another user", hint="run as its owner") from None
        if not self.path.is_dir():
            raise ConfigError(f"the home {self.path} is not a directory", hint="choose another with --home")
        if status.st_mode & _OTHERS:
            raise Unsafe(f"the home {self.path} is open to others", hint=f"chmod 700 {self.path}")

    def check_files(self) -> None:
        """Raise unless everything in the home is closed to others.

        Raises:
            Unsafe: a file or directory has modes for group or others.
        """
        for path in sorted(self.path.iterdir()):
            if not path.is_symlink() and path.stat().st_mode & _OTHERS:
                raise Unsafe(f"{path} is open to others", hint=f"chmod go= {path}")

    def exists(self) -> bool:
        """Tell whether there is a home, even one that the caller may not enter."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:
            return True
        return True

    def holder(self) -> str:
        """Return the pid of the process that holds the home, or ``unknown``."""
        return (self._holder() or ["unknown"])[0]

    def _holder(self) -> list[str]:
        """Return the words in the lock file: a pid, then what it is where it is no daemon."""
        try:
            return self.lock_file.read_text("ascii").split()
        except (OSError, UnicodeDecodeError):
            return []

    @contextmanager
    def try_lock(self, kind: str = _COMMAND) -> Iterator[bool]:
        """Hold the home for this process; give ``False`` where another process does.

        Raises:
            ConfigError: its file system has no locks, so two brokers could not be told apart.
        """
        fd = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError as error:
                raise ConfigError(
                    f"{self.lock_file} cannot be locked: {error.strerror}",
                    hint="put the home on a local file system",
                ) from None
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {kind}".rstrip().encode() + b"\n", 0)
            yield True
        finally:
            # The file stays: unlinking a lock file lets two processes lock two different ones.
            os.close(fd)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the home as the one daemon on it, once a command that works without one has finished.

        Raises:
            ConfigError: another process holds it; the message names its pid.
        """
        end_s = time.monotonic() + _COMMAND_ENDS_WITHIN_S
        while True:
            with self.try_lock("") as free:
                if free:
                    yield
                    return
            holder = self.holder()
            if len(self._holder()) == 1:
                raise ConfigError(
                    f"a broker is already running on {self.path} (pid {holder})",
                    hint=f"stop it (kill {holder}), or choose another home with --home",
                )
            if time.monotonic() >= end_s:
                raise ConfigError(
                    f"a command without a daemon is still at work on {self.path} (pid {holder})",
                    hint="start the broker when it has finished",
                )
            time.sleep(_LOOK_AGAIN_S)


def resolve_home(option: Path | None, environ: Mapping[str, str]) -> Home:
    """Return the home: option, ``CODEX_BROKER_HOME``, systemd's state directory, XDG.

    Args:
        option: ``--home``.
        environ: the environment.

    Raises:
        ConfigError: nothing says where it is, not even ``HOME``.
    """
    # STATE_DIRECTORY may list several directories (systemd.exec(5)); the first is ours.
    state = environ.get("STATE_DIRECTORY", "").split(":")[0]
    named = option or environ.get(HOME_VARIABLE) or state
    if named:
        return Home(Path(named).expanduser().absolute())
    base = environ.get("XDG_STATE_HOME", "")
    if not Path(base).is_absolute():
        # A relative path there is invalid and to be ignored (XDG base directory specification).
        try:
            base = str(Path.home() / ".local" / "state")
        except RuntimeError:
            raise ConfigError("there is no home directory", hint=f"set {HOME_VARIABLE}") from None
    return Home(Path(base) / "codex-broker")
