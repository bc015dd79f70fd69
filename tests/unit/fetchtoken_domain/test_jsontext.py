import json
import random
import runpy
import subprocess
import sys

import pytest

from fetchtoken.domain import jsontext
from fetchtoken.domain.jsontext import dumps, loads

COUNT = 200_000
SEEDS = [
    '{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"a.b.c","refresh_token":""}}',
    '[0,-0,1.5,-1e9,2E-3,1e999,12345678901234567890,true,false,null,"",[],{}]',
    '{"é":"\\u00e9\\ud83d\\ude00\\n\\"\\\\","a":{"b":[{"c":[[]]}]},"a":2}',
    ' \t\n\r{ "k" : [ 1 , 2 ] , "l" : "x" } \n',
    '"a\x7f\u2028b"',
]
PIECES = [*'{}[]":,\\ \t\n\r\x00\x1f\x7f0123456789.eE+-nulltrefas/bé\ufeff\ud800', *SEEDS]
PIECES += ["null", "true", "NaN", "Infinity", "-Infinity", "\\u", "\\ud83d", "\\x", "1e", "-", "//", "[" * 50]


def mutated(choose, text):
    for _ in range(choose.randrange(4)):
        at = choose.randrange(len(text) + 1)
        cut = choose.choice((0, 0, 1, 1, 2, 9))
        text = text[:at] + choose.choice(("", choose.choice(PIECES))) + text[at + cut :]
    return text


def reference(text):
    def refuse(name):
        raise ValueError(name)

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return ValueError


def ours(text, *, loads=loads):
    try:
        return loads(text)
    except ValueError:
        return ValueError


def test_it_agrees_with_json_on_200_000_mutated_documents():
    """The same value, down to the order of keys and the type of numbers, or both refuse."""
    choose = random.Random(20_261)
    accepted = 0
    for _ in range(COUNT):
        text = mutated(choose, choose.choice(SEEDS))
        mine = ours(text)
        assert repr(mine) == repr(reference(text)), ascii(text)
        accepted += mine is not ValueError
    assert COUNT // 10 < accepted < COUNT, "the mutations must leave some documents whole and break some"


def test_the_public_fallback_gives_the_same_answers(monkeypatch):
    """An interpreter without the private module gets the same values, texts and refusals."""
    monkeypatch.setitem(sys.modules, "_json", None)
    public = runpy.run_path(jsontext.__file__)
    choose = random.Random(3)
    for _ in range(5_000):
        text = mutated(choose, choose.choice(SEEDS))
        mine, other = ours(text), ours(text, loads=public["loads"])
        assert repr(mine) == repr(other), ascii(text)
        if mine is not ValueError:
            assert dumps(mine) == public["dumps"](mine)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_deep_nesting_is_refused_like_any_nonsense(text):
    """Depth is a ``ValueError``, not a ``RecursionError``, in both directions."""
    with pytest.raises(ValueError, match="nested"):
        loads(text)


def test_what_was_read_can_be_written_or_is_refused():
    """A value too deep to write raises ``ValueError``, so a caller can try before it matters."""
    value = []
    for _ in range(50_000):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        dumps(value)


@pytest.mark.parametrize("indent", [0, 2])
def test_dumps_and_json_write_the_same(indent):
    """Both renderings are those of ``json.dumps``, so a file looks as Codex's own."""
    value = {"a": [1, -2.5, 1e300, 'é\n"\\\x00\ud800', None, True, False], "b": {}, "c": [], "d": {"e": [[]]}}
    separators = (",", ": ") if indent else (",", ":")
    assert dumps(value, indent=indent) == json.dumps(value, indent=indent or None, separators=separators)


def test_dumps_round_trips_what_loads_gives():
    """Whatever was read is read back the same after writing, in both renderings."""
    choose = random.Random(11)
    for _ in range(20_000):
        value = ours(mutated(choose, choose.choice(SEEDS)))
        if value is not ValueError:
            assert repr(loads(dumps(value))) == repr(value)
            assert repr(loads(dumps(value, indent=2))) == repr(value)


def test_an_overflowing_number_stays_json():
    """``1e999`` is JSON and reads as infinity; it must not be written as something that is none."""
    assert loads(dumps(loads("[1e999,-1e999]"))) == [float("inf"), float("-inf")]


@pytest.mark.parametrize("value", [float("nan"), object(), b"", {1: 2}, {None: 1}, {1, 2}, [1j]])
def test_what_json_cannot_hold_is_refused(value):
    """Other types, other keys and NaN are an error of the caller."""
    with pytest.raises((TypeError, ValueError)):
        dumps(value)


@pytest.mark.parametrize(
    "text", ["", " ", "\ufeff{}", "{} {}", "{}x", "'a'", "{a:1}", "[1,]", '{"a":1,}', "\n1\v"]
)
def test_what_is_almost_json_is_refused(text):
    """One document with JSON's own white space around it, nothing else."""
    with pytest.raises(ValueError, match=r".+"):
        loads(text)


@pytest.mark.parametrize("text", ["{upstream", "{", '"abc', '{"a" 1}', '"\\x"', "[1,", "nul", ""])
def test_nonsense_is_refused_where_json_was_never_imported(text):
    """The C scanner's own error class is out of reach then, as it is in the command."""
    code = (
        "import sys; from fetchtoken.domain.jsontext import loads\n"
        "assert 'json' not in sys.modules\n"
        "try: loads(sys.argv[1])\n"
        "except ValueError: pass\n"
        "else: sys.exit('accepted')"
    )
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
