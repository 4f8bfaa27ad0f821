"""Files that are not TOML, not there, or extend each other badly."""

from pathlib import Path

import pytest

from pcsim.errors import ScenarioError
from pcsim.scenario import read_scenario
from tests.support.scenario_files import TEXT, Files


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("method = state", '1:10: state needs quotes; write "state"'),
        ("a = True # yes", "1:5: True is not TOML; write true, in small letters"),
        ("a = .5", "1:5: .5 is not TOML; write digits on both sides of the point"),
        ("a = 0,1", "1:6: 0,1 is not TOML; write a point, 0.1"),
        ("a = 007", "1:6: 007 is not TOML; a number does not begin with 0"),
        ("a = “x”", "1:5: “ is not TOML; use straight quotes"),
        ("a =", "1:4: there is no value after '='"),
        ("a = 'x", "1:5: a quote is opened and not closed"),
        ('a = "x\nb = 1', "1:5: a quote is opened and not closed"),
        ("a = 'x\nb = 1", "1:5: a quote is opened and not closed"),
        ("a = [1,\n2", "2:2: a list is not closed; it ends with ]"),
        ("a = { b = 1", "1:12: a table is not closed; it ends with }"),
        ("[a", "1:3: a table's name is not closed; write it as [inference], on a line of its own"),
        ("a: 1", "1:2: this is not TOML: a: 1; write key = value, a [table], or # before a comment"),
        (
            'a = "C:\\Users"',
            "1:10: a backslash has a meaning of its own inside double quotes; use single quotes, or double it",
        ),
        ("a = 1\n\na = 2", "3:1: a is written a second time (first on line 1); keep one"),
        ("[a]\n[b]\n[a]", "3:1: a is written a second time (first on line 1); keep one"),
        ("a = 1\na.b = 2\nc = 3", "2:8: this key has a value or a finished table already; keep one"),
    ],
)
def test_what_is_not_toml(files: Files, text: str, problem: str):
    assert files.problems(text) == [f"s.toml:{problem}"]


def test_hostile_files(files: Files, tmp_path: Path):
    assert files.problems("") == files.problems("# nothing\n")
    assert files.problems("")[0].startswith("s.toml: the file is empty; it needs at least [network]")
    assert files.problems("a = " + "[" * 100_000) == ["s.toml: brackets are nested too deeply"]
    assert files.problems("a = " + "1" * 10_000) == ["s.toml:1: a number has too many digits"]
    for content, problem in (
        (b'a = 1\nb = "\xff"', "s.toml:2: the text is not UTF-8; save the file as UTF-8"),
        (b"\x89HDF\r\n\x1a\n\xff", "s.toml: this is an HDF5 file, such as a trace, not a scenario"),
    ):
        (tmp_path / "s.toml").write_bytes(content)
        with pytest.raises(ScenarioError) as caught:
            read_scenario("s.toml")
        assert caught.value.problems == [problem]


def message(source: str | Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(source)
    return str(caught.value)


def test_files_that_are_not_there(files: Files, tmp_path: Path):
    files.write(TEXT, "decay.toml")
    assert message("dekay.toml") == "dekay.toml: there is no such file; did you mean 'decay.toml'?"
    assert message("decay") == "decay: there is no such file; did you mean 'decay.toml'?"
    assert message(tmp_path / "dekay.toml").endswith(f"did you mean '{tmp_path}/decay.toml'?")
    assert message("signal-decya").endswith("did you mean 'signal-decay', which ships with pcsim?")
    assert message("zzz/zzz.toml").endswith("there is no such file; 'pcsim scenarios' lists those that ship")
    assert message(tmp_path) == f"{tmp_path}: this is a folder; name a scenario file in it"


def test_extends(files: Files):
    files.write(TEXT.replace("0.1", "-1"), "base.toml")
    assert files.problems('extends = "base.toml"\n[inference]\nsteps = -2') == [
        'base.toml:17:13: inference.step_size: -1 is not allowed; give "auto" or a number greater than 0',
        "s.toml:3:9: inference.steps: -2 is not allowed; give a whole number, 0 or more",
    ]
    assert files.problems('extends = "bsae.toml"') == [
        "s.toml:1:1: extends = \"bsae.toml\": there is no such file; did you mean 'base.toml'?"
    ]
    assert files.problems("extends = 3") == [
        's.toml:1:1: extends: 3 is not allowed; give the path of another scenario, as in extends = "base.toml"'
    ]
    files.write('extends = "s.toml"', "base.toml")
    assert files.problems('seed = 1\nextends = "./base.toml"') == [
        "base.toml:1:1: extends goes in a circle: s.toml -> base.toml -> s.toml; remove one of these extends"
    ]
