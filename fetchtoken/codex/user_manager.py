"""The user's service manager: ``systemctl --user``, where there is one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from shutil import which

from fetchtoken.domain.errors import Unavailable

__all__ = ["UserManager"]

_LIMIT_S = 30.0


class UserManager:
    """What can be asked of it.

    Args:
        environ: the caller's environment, without our secrets.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._program = which("systemctl", path=environ.get("PATH", ""))

    @property
    def is_there(self) -> bool:
        """Whether it answers."""
        return self._program is not None and self._run("show-environment")[0] == 0

    def reload(self) -> None:
        """Have it read the unit files anew."""
        self._do("daemon-reload")

    def start(self, unit: str) -> None:
        """Run a unit from now on, after each login or start as well."""
        self._do("enable", "--now", unit)

    def stop(self, unit: str) -> None:
        """Run it no longer; one that is not there is stopped."""
        self._run("disable", "--now", unit)

    def _do(self, *words: str) -> None:
        code, said = self._run(*words)
        if code:
            command = " ".join(("systemctl --user", *words))
            raise Unavailable(f"{command} ended with {code}: {said}", hint=f"see why: {command}")

    def _run(self, *words: str) -> tuple[int, str]:
        try:
            done = subprocess.run(  # noqa: S603 - found in the caller's own PATH
                [self._program or "systemctl", "--user", *words],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_LIMIT_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            return 1, "it does not answer"
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return done.returncode, said[0] if said else "no reason given"
