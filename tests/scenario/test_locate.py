"""Positions of keys in TOML texts: by hand for every form of the language, and on texts made at random."""

import tomllib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsim.scenario.locate import Duplicate, KeyPath, Located, Position, ScanError, locate


def positions(text: str) -> dict[str, tuple[int, int, int, int]]:
    tomllib.loads(text)
    return {
        ".".join(map(str, path)): (at.key.line, at.key.column, at.value.line, at.value.column)
        for path, at in locate(text).found.items()
    }


def test_top_keys_tables_and_comments():
    text = '# title = "no"\ntitle = "a # b"  # c\n\n  [network]\n  bias=true\n[a.b]\nc = 1'
    assert positions(text) == {
        "title": (2, 1, 2, 9),
        "network": (4, 3, 4, 3),
        "network.bias": (5, 3, 5, 8),
        "a": (6, 1, 6, 1),
        "a.b": (6, 1, 6, 1),
        "a.b.c": (7, 1, 7, 5),
    }


def test_dotted_and_quoted_keys():
    text = 'a . b."c.d" = 1\n\'x y\' = 2\n"\\u0041" = 3\na.e = 4'
    found = {path: at.key for path, at in locate(text).found.items()}
    assert found == {
        ("a",): Position(1, 1),
        ("a", "b"): Position(1, 5),
        ("a", "b", "c.d"): Position(1, 7),
        ("x y",): Position(2, 1),
        ("A",): Position(3, 1),
        ("a", "e"): Position(4, 3),
    }


def test_lists_over_several_lines():
    text = "widths = [ # sizes, [1, 2]\n  64,\n  128, # ]\n\n  10,\n]\nnext = [[1], []]"
    assert positions(text) == {
        "widths": (1, 1, 1, 10),
        "widths.0": (2, 3, 2, 3),
        "widths.1": (3, 3, 3, 3),
        "widths.2": (5, 3, 5, 3),
        "next": (7, 1, 7, 8),
        "next.0": (7, 9, 7, 9),
        "next.0.0": (7, 10, 7, 10),
        "next.1": (7, 14, 7, 14),
    }


def test_inline_tables():
    assert positions("stop = { grad_norm = 1e-6, a.b = {} }") == {
        "stop": (1, 1, 1, 8),
        "stop.grad_norm": (1, 10, 1, 22),
        "stop.a": (1, 28, 1, 28),
        "stop.a.b": (1, 30, 1, 34),
    }


def test_arrays_of_tables():
    text = "[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\nx = 3\n[[a.c]]\nz = 4"
    found = positions(text)
    assert found["a"][:2] == found["a.0"][:2] == (1, 1)
    assert found["a.0.b.y"][:2] == (4, 1)
    assert found["a.1.x"][:2] == (6, 1)
    assert found["a.1.c.0.z"][:2] == (8, 1)


@pytest.mark.parametrize(
    "value",
    [
        '"a \\" # b"',
        "'a \" \\'",
        '"""\n[x]\ny = 1\n\\"" """""',
        "'''\n[x]\n'' y = 1'''''",
        '""',
        "''",
        '""""""',
        "''''''",
        '"""a\\\\"""',
        "1979-05-27 07:32:00Z",
        "07:32:00",
        "-1_000.5e-3",
        "+inf",
    ],
)
def test_scalars_end_where_they_end(value: str):
    text = f"a = {value} # x\nb = {{ c = {value} }}\nd = [{value}, {value}]\ne = 1"
    if "\n" in value:
        text = f"a = {value} # x\nd = [{value}, {value}]\ne = 1"
    found = positions(text)
    assert found["a"] == (1, 1, 1, 5)
    assert found["e"][:2] == (text.count("\n") + 1, 1)
    assert {"d.0", "d.1"} <= found.keys()


def test_windows_line_ends_and_no_last_line_end():
    assert positions("a = 1\r\n[t]\r\nb = 2")["t.b"] == (3, 1, 3, 5)


def test_columns_count_characters():
    assert positions('t = { a = "µPC → x", b = 1 }')["t.b"] == (1, 22, 1, 26)


def test_duplicates_are_found():
    text = "a = 1\n[t]\nb = 2\na = 3\nb = 4\n[u]\n[t]"
    assert locate(text).duplicates == [
        Duplicate(("t", "b"), Position(3, 1), Position(5, 1)),
        Duplicate(("t",), Position(2, 1), Position(7, 1)),
    ]


@pytest.mark.parametrize("text", ["a", "a = ", "[a", "a = [1", "a = {b", "= 1", "a = [1 2]", "a = {b = 1 c = 2}"])
def test_what_is_not_toml_is_refused(text: str):
    with pytest.raises(ScanError):
        locate(text)


class Writer:
    """Writes TOML in random style and remembers where each key and value began."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.text = ""
        self.expected: dict[KeyPath, Located] = {}

    def here(self) -> Position:
        return Position(self.text.count("\n") + 1, len(self.text) - (self.text.rfind("\n") + 1) + 1)

    def pick(self, *choices: str) -> None:
        self.text += self.random.choice(choices)

    def key(self, name: str) -> Position:
        place = self.here()
        self.pick(name, f'"{name}"', f"'{name}'")
        self.pick("", " ", "\t")
        return place

    def pair(self, prefix: KeyPath, name: str, depth: int) -> None:
        key = self.key(name)
        self.text += "="
        self.pick("", " ", "  ")
        self.expected[(*prefix, name)] = Located(key, self.here())
        self.value((*prefix, name), depth)

    def value(self, path: KeyPath, depth: int) -> None:
        kind = self.random.choice(["scalar", "scalar", "list", "table"]) if depth else "scalar"
        if kind == "list":
            self.items(path, depth)
        elif kind == "table":
            self.text += "{"
            for i in range(self.random.randrange(3)):
                self.text += ", " if i else " "
                self.pair((*path,), f"k{i}", depth - 1)
            self.pick("", " ")
            self.text += "}"
        else:
            self.pick(
                "1", "-2.5e3", "true", '"#[]{}=,\\""', "'\\'", "2020-01-02 03:04:05", '""', '"""a"b"""', "'''#'''"
            )

    def items(self, path: KeyPath, depth: int) -> None:
        blanks = ("", " ", "\n", " # ]\n  ")
        self.text += "["
        for i in range(self.random.randrange(4)):
            self.pick(*blanks)
            if i:
                self.text += ","
                self.pick(*blanks)
            here = self.here()
            self.expected[(*path, i)] = Located(here, here)
            self.value((*path, i), depth - 1)
        self.pick(*blanks)
        self.text += "]"

    def document(self) -> None:
        for i in range(self.random.randrange(3)):
            self.pair((), f"top{i}", 2)
            self.pick("\n", " # c = 1\n", "\n\n")
        for i in range(self.random.randrange(3)):
            here = self.here()
            self.text += f"[t{i}]"
            self.expected[(f"t{i}",)] = Located(here, here)
            self.pick("\n", " # [x]\n")
            for j in range(self.random.randrange(4)):
                self.pick("", "  ")
                self.pair((f"t{i}",), f"k{j}", 2)
                self.pick("\n", "\r\n")


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_positions_in_texts_made_at_random(random: Random):
    writer = Writer(random)
    writer.document()
    tomllib.loads(writer.text)
    scan = locate(writer.text)
    assert scan.duplicates == []
    assert scan.found == writer.expected
