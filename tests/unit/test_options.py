"""The quick parser: the forms it knows, and what it leaves to Typer."""

import pytest

from fetchtoken.options import Options, parse_options


@pytest.mark.parametrize(
    "words",
    [
        ["--source", "local", "--account", "a", "--format", "json", "--verbose"],
        ["--source=local", "--account=a", "--format=json", "--verbose"],
        ["-s", "local", "-a", "a", "-f", "json", "-v"],
        ["-slocal", "-aa", "-fjson", "-v"],
        ["-vslocal", "-aa", "-vf", "json"],
        ["-s", "remote", "-a", "b", "-slocal", "-aa", "-fenv", "-fjson", "-vv"],
    ],
)
def test_all_forms_of_an_option_are_one(words: list[str]):
    """Long, short, glued, with an equals sign, in a cluster, repeated: the last one wins."""
    assert parse_options(words) == Options(source="local", account="a", format="json", verbose=True)


def test_every_option_has_its_field():
    """The whole list of the plain resolve, once."""
    words = "--min-valid 5 --cache-max-age 7 --profile ci --timeout 9 --shell fish"
    words += " --force-refresh --no-refresh --no-cache"
    assert parse_options(words.split()) == Options(  # noqa: S604 - an option of that name, no subprocess
        min_valid="5",
        cache_max_age="7",
        profile="ci",
        timeout="9",
        shell="fish",
        force_refresh=True,
        no_refresh=True,
        no_cache=True,
    )
    assert parse_options([]) == Options()


@pytest.mark.parametrize(
    ("words", "account"),
    [
        (["-a", "-v"], "-v"),
        (["--account", "--"], "--"),
        (["--account="], ""),
        (["-a", ""], ""),
        (["-a=x"], "=x"),
    ],
)
def test_a_value_is_the_next_word_whatever_it_looks_like(words: list[str], account: str):
    """As in click, an option that takes a value takes it, dash or not."""
    assert parse_options(words) == Options(account=account)


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["--help"],
        ["--version"],
        ["--install-completion"],
        ["--"],
        ["-"],
        [""],
        ["--sourc", "local"],
        ["--source"],
        ["-s"],
        ["-vs"],
        ["-x"],
        ["--verbose=yes"],
        ["--=x"],
        ["-a", "x\udcff"],
        ["-v", "config", "show"],
    ],
)
def test_everything_else_is_left_to_typer(words: list[str]):
    """Subcommands, help and every error: one place words them."""
    assert parse_options(words) is None


def test_options_show_only_what_was_given():
    """The record's text names what was typed."""
    assert repr(Options(account="a", verbose=True)) == "Options(account='a', verbose=True)"
    assert Options() != Options(account="a")
    assert Options() != "Options()"
