"""Where other tools keep their logins, who refreshes those, and how to make them stop."""

from __future__ import annotations

from fnmatch import fnmatchcase

from fetchtoken.formats import blob, cliproxy, codex_lb, codex_login, interactive_proxy, multi_auth, opencode

__all__ = ["TOOLS", "Tool", "is_paused", "name_of_file", "tool_at"]


class Tool:
    """One program that holds logins.

    Args:
        name: what people call it.
        form: the key of its files' format.
        patterns: where they lie: globs below ``{home}``, ``{codex}`` (``CODEX_HOME``) or ``{data}``
            (``XDG_DATA_HOME``); none where that is up to its installation.
        refreshes: when it exchanges the refresh token.
        stop: what makes it stop.
    """

    __slots__ = ("form", "name", "patterns", "refreshes", "stop")

    def __init__(self, name: str, form: str, *patterns: str, refreshes: str, stop: str) -> None:
        self.name = name
        self.form = form
        self.patterns = patterns
        self.refreshes = refreshes
        self.stop = stop

    def globs(self, *, home: str, codex_home: str, data_home: str) -> list[str]:
        """Return its patterns on this machine.

        Args:
            home: the home directory.
            codex_home: ``CODEX_HOME``, else ``~/.codex``.
            data_home: ``XDG_DATA_HOME``, else ``~/.local/share``.
        """
        return [pattern.format(home=home, codex=codex_home, data=data_home) for pattern in self.patterns]


TOOLS = (
    Tool(
        "codex-auth",
        codex_login.KEY,
        "{codex}/accounts/*.auth.json",
        refreshes="never by itself: Codex refreshes the one that is switched to",
        stop="remove the account there with codex-auth",
    ),
    Tool(
        "scorpiox code or codex-fetchtoken",
        codex_login.KEY,
        "{codex}/accounts/*.json",
        "{codex}/accounts/*.json.backup",
        refreshes="when it is used and the token is about to expire",
        stop="remove the account there",
    ),
    Tool(
        "Codex",
        codex_login.KEY,
        "{codex}/auth.json",
        refreshes="five minutes before the token expires, and after a 401",
        stop="quit every Codex that runs with it, and let it have an access-only file",
    ),
    Tool(
        "CCS",
        cliproxy.KEY,
        "{home}/.ccs/cliproxy/auth/codex-*.json",
        "{home}/.ccs/cliproxy/auth-paused/codex-*.json",
        refreshes="by its CLIProxyAPI, some days before the token expires",
        stop="pause or remove the account in CCS",
    ),
    Tool(
        "CLIProxyAPI",
        cliproxy.KEY,
        "{home}/.cli-proxy-api/codex-*.json",
        refreshes="some days before the token expires, for as long as it runs",
        stop="remove the file from its auth directory",
    ),
    Tool(
        "opencode",
        opencode.KEY,
        "{data}/opencode/auth.json",
        refreshes="when the token has expired",
        stop="opencode auth logout",
    ),
    Tool(
        "codex-multi-auth",
        multi_auth.KEY,
        "{codex}/multi-auth/openai-codex-accounts.json",
        "{codex}/multi-auth/projects/*/openai-codex-accounts.json",
        refreshes="shortly before the token expires",
        stop="remove the account in codex-multi-auth",
    ),
    Tool(
        "llm-interactive-proxy",
        interactive_proxy.KEY,
        refreshes="five minutes before the token expires, for as long as it runs",
        stop="remove the file from its store of accounts",
    ),
    Tool(
        "codex-lb",
        codex_lb.KEY,
        refreshes="by age, for as long as it runs; the export is only a copy",
        stop="delete the account in codex-lb",
    ),
    Tool(
        "the program that keeps it",
        blob.KEY,
        refreshes="at a time that is not known",
        stop="take the login out of that program",
    ),
)
"""Every tool whose files can be read, the more particular place first."""


def tool_at(path: str, form: str) -> Tool:
    """Return the tool that most likely holds a file: by its format, and by where it lies.

    Args:
        path: the file, or what it is called where it came another way.
        form: the key of its format.
    """
    tools = [tool for tool in TOOLS if tool.form == form]
    for tool in tools:
        if any(fnmatchcase(path, "*" + pattern.partition("}")[2]) for pattern in tool.patterns):
            return tool
    return next((tool for tool in tools if tool.name in _USUAL), tools[0])


_USUAL = ("Codex", "CLIProxyAPI")
"""Whose format it is, where the place says nothing."""


def is_paused(path: str) -> bool:
    """Tell whether CCS has put a file aside."""
    return fnmatchcase(path, "*/cliproxy/auth-paused/*.json")


def name_of_file(path: str) -> str:
    """Return the account name that a file's own name is: ``accounts/NAME.json``; else an empty text."""
    directory, _, name = path.rpartition("/")
    if not directory.endswith("/accounts") or name.endswith(".auth.json"):
        return ""
    return name.removesuffix(".backup").removesuffix(".json")
