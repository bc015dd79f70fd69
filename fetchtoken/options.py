"""The options of the plain resolve: one record, and a parser that needs no Typer.

The parser knows the forms that click knows (``--opt value``, ``--opt=value``, ``-ovalue``,
``-vo value``, the last one wins) and gives up on everything else, errors included; Typer then
reads the same words. Values stay as they were typed: the settings judge them, for both.
"""

__all__ = ["FORMATS", "SHELLS", "Options", "parse_options"]

FORMATS = ("token", "json", "env", "header", "auth-json", "opencode")
SHELLS = ("bash", "fish", "powershell")

_VALUES = {
    "--source": "source",
    "-s": "source",
    "--account": "account",
    "-a": "account",
    "--format": "format",
    "-f": "format",
    "--shell": "shell",
    "--min-valid": "min_valid",
    "--cache-max-age": "cache_max_age",
    "--profile": "profile",
    "--timeout": "timeout",
}
_FLAGS = {
    "--force-refresh": "force_refresh",
    "--no-refresh": "no_refresh",
    "--no-cache": "no_cache",
    "--verbose": "verbose",
    "-v": "verbose",
}


class Options:
    """What was typed; ``None`` where an option was not given."""

    __slots__ = (
        "account",
        "cache_max_age",
        "force_refresh",
        "format",
        "min_valid",
        "no_cache",
        "no_refresh",
        "profile",
        "shell",
        "source",
        "timeout",
        "verbose",
    )

    def __init__(  # noqa: PLR0913 - a record; every field is named at the call
        self,
        *,
        source: str | None = None,
        account: str | None = None,
        format: str | None = None,  # noqa: A002 - the option's name
        shell: str | None = None,
        min_valid: str | None = None,
        cache_max_age: str | None = None,
        profile: str | None = None,
        timeout: str | None = None,
        force_refresh: bool = False,
        no_refresh: bool = False,
        no_cache: bool = False,
        verbose: bool = False,
    ) -> None:
        self.source = source
        self.account = account
        self.format = format
        self.shell = shell
        self.min_valid = min_valid
        self.cache_max_age = cache_max_age
        self.profile = profile
        self.timeout = timeout
        self.force_refresh = force_refresh
        self.no_refresh = no_refresh
        self.no_cache = no_cache
        self.verbose = verbose

    def __eq__(self, other: object) -> bool:
        """Compare field by field."""
        if not isinstance(other, Options):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = [f"{name}={getattr(self, name)!r}" for name in self.__slots__ if getattr(self, name)]
        return f"Options({', '.join(given)})"


def parse_options(words: list[str]) -> Options | None:
    """Return the options of a plain resolve, or ``None`` where Typer has to look.

    Args:
        words: the command line after the program's name.
    """
    options = Options()
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word[:1] != "-" or len(word) < 2 or word == "--" or not word.isprintable():
            return None
        taken = _long(options, word, rest) if word[1] == "-" else _short(options, word, rest)
        if not taken:
            return None
    return options


def _long(options: Options, word: str, rest: list[str]) -> bool:
    name, equals, value = word.partition("=")
    if name in _FLAGS and not equals:
        setattr(options, _FLAGS[name], True)
        return True
    return name in _VALUES and _store(options, _VALUES[name], value if equals else None, rest)


def _short(options: Options, word: str, rest: list[str]) -> bool:
    """Take a cluster: flags first, then at most one option with the remainder as its value."""
    for index in range(1, len(word)):
        name = "-" + word[index]
        if name in _FLAGS:
            setattr(options, _FLAGS[name], True)
        else:
            return name in _VALUES and _store(options, _VALUES[name], word[index + 1 :] or None, rest)
    return True


def _store(options: Options, field: str, value: str | None, rest: list[str]) -> bool:
    if value is None:
        if not rest:
            return False
        value = rest.pop()
    if value and not value.isprintable():
        return False
    setattr(options, field, value)
    return True
