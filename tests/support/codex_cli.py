"""The real Codex CLI (npm package ``@openai/codex``), run against the fake backend.

Every version that is named is tested: ``$CODEX_NPM_PREFIX`` has one or more directories that npm installed
into, with ``:`` between them. Without it there is one, in ``node_modules`` below the repository or on
``PATH``. ``$CODEX_BIN`` is one binary, and nothing else is then looked for.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.backend import REPLY, Backend
from tests.support.need import missing

__all__ = ["LIMIT_S", "Codex", "Release", "releases", "worked"]

LIMIT_S = 90
"""Longest run of one ``codex exec``; it takes half a second."""

_ROOT = Path(__file__).parents[2]
_NATIVE = "@openai/codex-*/vendor/*/bin/codex"


@dataclass(frozen=True)
class Release:
    """One version of the Codex CLI, or a place where there should be one.

    Attributes:
        version: as it says itself; of nothing, where it was looked for.
        binary: its path, empty where there is none.
    """

    version: str
    binary: str

    def __str__(self) -> str:
        return self.version

    def need(self) -> str:
        """Return the path of the binary; skip the test without one, fail it where ``CI=true``."""
        return self.binary or missing(f"the Codex CLI {self.version}", "npm package @openai/codex")


@cache
def releases() -> list[Release]:
    """Return each version once, in the order in which they are named, and each place without one."""
    if binary := os.environ.get("CODEX_BIN"):
        return [_release(binary)]
    if prefixes := os.environ.get("CODEX_NPM_PREFIX"):
        found = [_release(_installed(Path(prefix)), prefix) for prefix in prefixes.split(os.pathsep)]
        return list({release.version: release for release in found}.values())
    return [_release(_installed(_ROOT) or shutil.which("codex") or "")]


def _installed(prefix: Path) -> str:
    for pattern in (_NATIVE, f"@openai/codex/node_modules/{_NATIVE}", ".bin/codex"):
        for candidate in (prefix / "node_modules").glob(pattern):
            return str(candidate)
    return ""


def _release(binary: str, place: str = "on PATH") -> Release:
    if not binary:
        return Release(place, "")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=LIMIT_S)
    return Release(said.stdout.split()[-1], binary)


@dataclass(frozen=True)
class Codex:
    """One installation with a home of its own.

    Args:
        binary: of one of the :func:`releases`.
        home: its ``CODEX_HOME``, existing.
        backend: where its model provider, its side services, its token endpoint and its proxy are.
    """

    binary: str
    home: Path
    backend: Backend

    def use_auth_file(self) -> None:
        """Let it take the bearer from ``auth.json``."""
        self._configure("requires_openai_auth = true\n")

    def use_command(
        self, command: str, *arguments: str, headers: dict[str, str] | None = None, more: str = ""
    ) -> None:
        """Let it take the bearer from a command's output.

        Args:
            command: its name or path.
            *arguments: its own.
            headers: to send beside the bearer.
            more: lines about the command.
        """
        pairs = ", ".join(
            f"{json.dumps(key)} = {json.dumps(value)}" for key, value in (headers or {}).items()
        )
        self._configure(
            f"http_headers = {{ {pairs} }}\n"
            f"[model_providers.fake.auth]\ncommand = {json.dumps(command)}\nargs = {json.dumps(arguments)}\n"
            + more
        )

    def _configure(self, provider: str) -> None:
        (self.home / "config.toml").write_text(
            'model = "gpt-fake"\n'
            'model_provider = "fake"\n'
            f'chatgpt_base_url = "{self.backend.url}/backend-api"\n'
            'cli_auth_credentials_store = "file"\n'
            "check_for_update_on_startup = false\n"
            "[analytics]\nenabled = false\n"
            "[model_providers.fake]\n"
            'name = "fake"\n'
            f'base_url = "{self.backend.url}/v1"\n'
            'wire_api = "responses"\n'
            "request_max_retries = 1\n"
            "stream_max_retries = 1\n" + provider
        )

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        """Return a clean environment in which nothing reaches another host unseen.

        Args:
            extra: goes in on top; an empty value takes the variable out.
        """
        known = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home.parent),
            "CODEX_HOME": str(self.home),
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": self.backend.url + "/oauth/token",
            "CODEX_REVOKE_TOKEN_URL_OVERRIDE": self.backend.url + "/oauth/revoke",
            "HTTP_PROXY": self.backend.url,
            "HTTPS_PROXY": self.backend.url,
            "NO_PROXY": "127.0.0.1,localhost",
            **extra,
        }
        return {name: value for name, value in known.items() if value}

    def status(self) -> subprocess.CompletedProcess[str]:
        """Run ``codex login status``, which speaks on standard error."""
        return self.do("login", "status")

    def logout(self, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run ``codex logout``."""
        return self.do("logout", **extra)

    def run(self, prompt: str = "hi", **extra: str) -> subprocess.CompletedProcess[str]:
        """Run ``codex exec`` to its end; ``extra`` goes into its environment."""
        return self.do(*_exec(prompt), **extra)

    def do(self, *words: str, said: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """Run any command to its end.

        Args:
            *words: of the command.
            said: on its standard input.
            **extra: goes into its environment.
        """
        heard = {"input": said} if said else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            [self.binary, *words],
            env=self.environment(extra),
            cwd=self.home,
            **heard,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )

    @contextmanager
    def started(self, *words: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
        """Start ``codex exec``, or any command, with its outputs in one; it is killed at the block's end."""
        with subprocess.Popen(
            [self.binary, *(words or _exec("hi"))],
            env=self.environment(extra),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def worked(run: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether a turn came to its end, with the backend's reply on standard output."""
    return (run.returncode, run.stdout.strip()) == (0, REPLY)


def _exec(prompt: str) -> tuple[str, ...]:
    return "exec", "--skip-git-repo-check", prompt
