"""Any ``config.toml``: what setup adds is taken back to the byte, alone or after others' edits."""

import tomllib

import tomlkit
from hypothesis import HealthCheck, event, given, reject, settings
from hypothesis import strategies as st

from fetchtoken.codex.config_change import _bare, changed, restored
from fetchtoken.codex.provider import provider_keys
from fetchtoken.codex.setup_record import Record, _document, _record
from fetchtoken.codex.toml_text import at, parsed
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.jsontext import dumps, loads

NAME = "config.toml"
BARE = st.sampled_from(["a", "model", "b-c", "model_provider", "profile", "n1"])
QUOTED = st.sampled_from(['"x y"', "'/home/u'", '"é\\u00e9"', '""'])
KEY = st.one_of(BARE, QUOTED)
DOTTED = st.lists(KEY, min_size=1, max_size=3).map(" . ".join) | st.lists(KEY, min_size=1, max_size=3).map(
    ".".join
)
PATHS = st.sampled_from(
    [
        "model_providers",
        "model_providers.x",
        "model_providers.codex-fetchtoken",
        "model_providers.x.auth",
        "profiles.p",
        "mcp_servers.docs.env",
        "tui",
    ]
)
SCALAR = st.sampled_from(
    [
        "1",
        "-0x1F",
        "1_000.50",
        "nan",
        "-inf",
        "true",
        '"t # no comment"',
        "'lit\\'",
        "1979-05-27T07:32:00.5Z",
        "07:32:00",
        '"""\nmany\n  lines \\\n  here"""',
        "'''\nraw\n'''",
    ]
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[ {', '.join(items)} ]")
        | st.lists(inner, max_size=3).map(
            lambda items: "[\n" + "".join(f"  {item}, # c\n" for item in items) + "]"
        )
        | st.lists(st.tuples(BARE, inner), max_size=2, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{" + ", ".join(f"{key} = {item}" for key, item in pairs) + "}"
        )
    ),
    max_leaves=4,
)
SPACE = st.sampled_from(["", " ", "\t", "   "])
COMMENT = st.sampled_from(["", "# note", " # tail", "#"])
LINE = st.one_of(
    st.tuples(SPACE, DOTTED | PATHS, SPACE, VALUE, COMMENT).map(
        lambda p: f"{p[0]}{p[1]}{p[2]}={p[2]}{p[3]}{p[4]}"
    ),
    st.tuples(SPACE, PATHS | DOTTED, COMMENT).map(lambda p: f"{p[0]}[{p[1]}]{p[2]}"),
    st.tuples(PATHS | DOTTED, COMMENT).map(lambda p: f"[[{p[0]}]]{p[1]}"),
    st.tuples(SPACE, COMMENT).map("".join),
)


@st.composite
def configs(draw):
    """A file's text, made line by line so that each prefix is TOML which tomlkit keeps as it is."""
    kept = []
    for line in draw(st.lists(LINE, max_size=10)):
        if _round_trips("\n".join([*kept, line, ""])):
            kept.append(line)
    text = "\n".join(kept) + draw(st.sampled_from(["", "\n", "\n\n"]))
    text = text.replace("\n", "\r\n") if draw(st.booleans()) else text
    return draw(st.sampled_from(["", "\ufeff"])) + text


def _round_trips(text):
    try:
        tomllib.loads(text)
        return tomlkit.dumps(tomlkit.parse(text)) == text
    except Exception:  # noqa: BLE001 - whatever tomlkit does not take is not the subject
        return False


def set_up(text):
    keys = provider_keys(
        parsed(text, NAME),
        NAME,
        command="/x/codex-fetchtoken",
        words=["--source", "remote"],
        home="/home/u",
        account_id="acct-1",
    )
    after, change = changed(text, keys, NAME, made=False)
    record = _record(loads(dumps({"form": 1, **_document(Record("command", "remote", "/c", (change,)))})))
    return after, keys, record.configs[0]


SLOW = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@SLOW
@given(configs())
def test_setup_then_undo_gives_the_very_bytes(text):
    """Or the text is refused, and nothing was written; the record goes by way of its file."""
    try:
        after, keys, change = set_up(text)
    except ConfigError:
        event("refused")
        return
    document = parsed(after, NAME)
    assert {key: at(document, key) for key in keys} == keys
    assert restored(after, change, NAME) == (text, [])


@SLOW
@given(configs(), st.sampled_from(["projects.added", "mcp_servers.added"]), st.booleans())
def test_others_tables_survive_undo(text, table, first):
    """What was added below, and a comment above, stays; all else says what it said, empty tables aside."""
    try:
        after, _, change = set_up(text)
    except ConfigError:
        return
    tail = f"\n[{table}]\nx = 1\n"
    mark, body = after[:1] if after.startswith("\ufeff") else "", after.removeprefix("\ufeff")
    edited = mark + ("# above\n" if first else "") + body + tail
    try:
        wanted = parsed(text.rstrip("\r\n") + tail, NAME)
        parsed(edited, NAME)
    except ConfigError:
        reject()  # a table of that name is there already
    before, kept = restored(edited, change, NAME)
    assert kept == []
    assert _bare(parsed(before, NAME)) == _bare(wanted)
