import pytest

from fetchtoken.codex.config_change import changed, restored
from fetchtoken.codex.toml_text import at, parsed

NAME = "config.toml"
KEYS = {("model_provider",): "ours", ("model_providers", "ours"): {"name": "x", "auth": {"command": "/x"}}}
MINE = '# mine\nmodel = "m" # why\nmodel_provider = "openai"\n\n[tui]\na = 1\n'


def test_back_to_the_byte():
    """What was changed by nobody is as it was, comments, order and last line included."""
    after, change = changed(MINE, KEYS, NAME, made=False)
    assert restored(after, change, NAME) == (MINE, [])
    assert change.old == {("model_provider",): "openai", ("model_providers", "ours"): None}


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + '[projects."/x"]\ntrust_level = "trusted"\n',
        lambda text: "top = 1\n" + text,
        lambda text: text.replace('"m" # why', '"n"'),
        lambda text: text.replace("[tui]", "[tui] # new"),
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["table below", "key above", "another value", "comment", "line ends"],
)
def test_what_others_changed_since_stays(edit):
    """Codex and people write the file, too: what they wrote stays, and ours goes."""
    after, change = changed(MINE, KEYS, NAME, made=False)
    before, kept = restored(edit(after), change, NAME)
    assert kept == []
    assert parsed(before, NAME) == parsed(edit(MINE), NAME)


@pytest.mark.parametrize("line", ["name = ", "[model_providers.ours.auth]", "command = "])
def test_a_comment_among_our_lines_stays(line):
    """What a person noted there is theirs, and so is what stands below."""
    after, change = changed(MINE, KEYS, NAME, made=False)
    now = after.replace(line, f"# noted\n{line}") + "\n# about more\n[more]\nb = 2 # two\n"
    before, kept = restored(now, change, NAME)
    assert kept == []
    assert before.replace("# noted\n", "") == MINE + "\n# about more\n[more]\nb = 2 # two\n"


def test_our_lines_written_anew_by_another_program():
    """Where the lines are not ours any more but say the same, they go by key."""
    after, change = changed(MINE, KEYS, NAME, made=False)
    now = after.replace('name = "x"', "name   =   'x'")
    before, kept = restored(now, change, NAME)
    assert (parsed(before, NAME), kept) == (parsed(MINE, NAME), [])
    assert "# mine" in before
    assert "# why" in before


def test_a_key_of_ours_that_was_changed_stays_and_is_named():
    """What a person chose since is theirs; what is still ours goes."""
    after, change = changed(MINE, KEYS, NAME, made=False)
    now = after.replace('model_provider = "ours"', 'model_provider = "theirs"')
    before, kept = restored(now, change, NAME)
    assert kept == [("model_provider",)]
    assert at(parsed(before, NAME), ("model_provider",)) == "theirs"
    assert at(parsed(before, NAME), ("model_providers",)) is None


def test_a_table_of_ours_that_was_changed_stays_and_is_named():
    """A table with a value of somebody else's stays whole."""
    after, change = changed(MINE, KEYS, NAME, made=False)
    before, kept = restored(after.replace('"/x"', '"/y"'), change, NAME)
    assert kept == [("model_providers", "ours")]
    assert at(parsed(before, NAME), ("model_provider",)) == "openai"
    assert at(parsed(before, NAME), ("model_providers", "ours", "auth", "command")) == "/y"


@pytest.mark.parametrize("now", [MINE, "", 'model = "z"\n'])
def test_an_edit_that_is_not_there_is_not_taken_back(now):
    """Undone by hand, or never made: the text stays, and no key is named."""
    _, change = changed(MINE, KEYS, NAME, made=False)
    assert restored(now, change, NAME) == (now, [])


def test_a_former_table_of_that_name_comes_back():
    """A table that was put aside stands there again, with all that it said."""
    text = "[model_providers.ours]\nname = 'mine' # c\nratio = 1.50\n"
    after, change = changed(text, KEYS, NAME, made=False)
    assert restored(after, change, NAME) == (text, [])
    before, _ = restored(after.replace('name = "x"', "name = 'x'"), change, NAME)
    assert parsed(before, NAME) == parsed(text, NAME)
