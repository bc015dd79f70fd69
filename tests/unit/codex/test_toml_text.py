import tomllib

import pytest

from fetchtoken.codex.toml_text import at, edited, parsed
from fetchtoken.domain.errors import ConfigError

NAME = "config.toml"
TABLE = {"name": "x", "http_headers": {"A-B": "c"}, "auth": {"command": "/x", "args": ["a"], "timeout_ms": 5}}
KEYS = {("model_provider",): "ours", ("model_providers", "ours"): TABLE}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a = 1",
        "# only a comment",
        "# top\na = 1 # behind\n\n[t]\nx = 1\n",
        "[t]\nx = 1",
        "[[list]]\nx = 1\n",
        "model_providers.x.name = 'q'\nb = 1.50\nn = nan\n[z]\n",
        "model_providers = { x = { name = 'q' } }\n",
        "[model_providers]\nx.name = 'q'\n[z]\ny = 1\n",
        "[model_providers]\n",
        "[model_providers.x]\nname = 'q'\n[other]\ny = 1\n[model_providers.y]\nname = 'z'\n",
        "model_provider = 'openai'   # why\n",
        "a = 1979-05-27T07:32:00Z\nb = [\n  1, # one\n  2,\n]\n",
        "model_provider.x = 1\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_what_was_asked_for_is_changed(text, end, mark):
    """Whatever the layout: the keys are set, all others say the same, and every other line is there."""
    text = mark + text.replace("\n", end)
    after = edited(text, KEYS, NAME)
    document = parsed(after, NAME)
    assert {key: at(document, key) for key in KEYS} == KEYS
    before = parsed(text, NAME)
    others = document | {"model_provider": before.get("model_provider")}
    others["model_providers"] = {k: v for k, v in document["model_providers"].items() if k != "ours"}
    before.setdefault("model_providers", {})
    before.setdefault("model_provider", None)
    assert others == before
    assert after.startswith(mark)
    there = {line.rstrip("\r") for line in after.removeprefix(mark).split("\n")}
    lines = {line.rstrip("\r") for line in text.removeprefix(mark).split("\n")}
    assert [line for line in lines - there if "model_provider" not in line] == []
    assert "\r\n" not in text or after.count("\r\n") == after.count("\n")


def test_nothing_to_change_changes_nothing():
    """Keys that stand there as wanted leave the very text, odd layout included."""
    text = "a  =  1\r\nb=2"
    assert edited(text, {("a",): 1, ("c", "d"): None}, NAME) == text


def test_taking_a_key_out_takes_the_table_that_is_empty_then():
    """The last key of a table takes the table along; others stay."""
    text = "a = 1\n[t.u]\nx = 1\n[v]\ny = 1\nz = 2\n"
    after = edited(text, {("t", "u", "x"): None, ("v", "y"): None}, NAME)
    assert tomllib.loads(after) == {"a": 1, "v": {"z": 2}}


@pytest.mark.parametrize("text", ["a = ", "[x", "a = 1\na = 2\n", "\x00"])
def test_what_is_no_toml_is_refused(text):
    """The error names the file and shows nothing of it."""
    with pytest.raises(ConfigError, match=r"config\.toml is not TOML"):
        edited(text, KEYS, NAME)


def test_a_value_in_the_place_of_a_table_is_refused():
    """Nothing can be set in a number."""
    with pytest.raises(ConfigError, match="cannot be set in what is no table"):
        edited("model_providers = 5\n", KEYS, NAME)


def test_a_text_that_tomlkit_does_not_keep_is_refused(monkeypatch):
    """Where the library would write other lines anew, or fails, the file stays as it is."""
    import tomlkit

    monkeypatch.setattr(tomlkit, "dumps", lambda _: "something = 'else'\n")
    with pytest.raises(ConfigError, match="without changing other lines"):
        edited("a = 1\n", KEYS, NAME)


def test_nan_is_the_same_as_itself():
    """A file with such a number can be compared with itself; other numbers by their value."""
    one, other = (parsed("a = nan\nb = 1.0\n", NAME) for _ in range(2))
    assert one == other
    assert parsed("a = 1.0\n", NAME) == parsed("a = 1.00\n", NAME)
    assert parsed("a = 1.0\n", NAME) != parsed("a = nan\n", NAME)
