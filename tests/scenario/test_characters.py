"""What hides behind a syntax error is named, with its place."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pcsim.errors import ScenarioError
from pcsim.scenario import parse_scenario, read_scenario
from tests.support.places import ROOT
from tests.support.scenario_files import TEXT, Files, changed


def told(raw: bytes) -> list[str]:
    Path("s.toml").write_bytes(raw)
    with pytest.raises(ScenarioError) as caught:
        read_scenario("s.toml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TEXT.replace("\n", "\r"), "1:1: lines end with CR alone; save the file with line ends LF or CRLF"),
        (TEXT.replace("\n", "\u2028"), "1:1: lines end with U+2028; save the file with line ends LF or CRLF"),
        ("a\u00a0= 1", "1:2: here is a no-break space (U+00A0); write an ordinary space"),
        ("a = \u20091", "1:5: here is a thin space (U+2009); write an ordinary space"),
        ("\u200ba = 1", "1:1: here is an invisible zero width space (U+200B); remove it"),
        ("a = 1\n\ufeff[b]", "2:1: here is an invisible zero width no-break space (U+FEFF); remove it"),
        ("a = 1\n\x1a", "2:1: here is a control character (U+001A), which TOML does not allow; remove it"),
        ('a = "b\x00"', "1:7: here is a control character (U+0000), which TOML does not allow; remove it"),
        ("a = −1", "1:5: here is a minus sign (U+2212); write -"),
        ("a ＝ 1", "1:3: here is a fullwidth equals sign (U+FF1D); write ="),
        ("“a” = 1", "1:1: “ is not TOML; use straight quotes"),
        (
            "a = { b = 1,\n c = 2 }",
            "1:13: a table in braces stands on one line (TOML 1.0); write it so, or as a [table] of its own",
        ),
        ("a = { b = 1, }", "1:14: a table in braces ends without a comma (TOML 1.0); remove it"),
        (f"a = {'1' * 5000}", "1: a number has too many digits"),
    ],
    ids=lambda value: ascii(value)[:12],
)
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="tomllib reads TOML 1.1")
def test_characters_that_hide_the_cause(text: str, line: str, files: Files) -> None:
    assert told(text.encode()) == [f"s.toml:{line}"]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (TEXT.encode("utf-16"), " the text is UTF-16; save the file as UTF-8"),
        (TEXT.encode("utf-16-le"), "1:1: the text is UTF-16; save the file as UTF-8"),
        (b"PK\x03\x04\xff", " this is a zip file, such as an .npz, not a scenario"),
        (b"\x1f\x8b\x08", " this is a gzip file, not a scenario"),
    ],
    ids=range(4),
)
def test_files_of_other_kinds(raw: bytes, line: str, files: Files) -> None:
    assert told(raw) == [f"s.toml:{line}"]


def test_a_byte_order_mark_is_read_over(files: Files) -> None:
    Path("s.toml").write_bytes(TEXT.encode("utf-8-sig"))
    assert read_scenario("s.toml").title == "A small one"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"[{'.'.join('a' * 3000)}]\nb = 1\n", "a.a"),
        (changed("[64, 32, 32, 10]", "[" * 350 + "]" * 350), "network.widths"),
        (TEXT + "[trace]\nrecord = " + "[" * 60 + "]" * 60, "trace.record"),
    ],
    ids=["header", "widths", "record"],
)
def test_nesting_is_one_line(text: str, key: str, files: Files) -> None:
    (line,) = files.problems(text)
    assert f": {key} is nested more than 50 levels deep" in line


def test_of_thousands_of_mistakes_the_first_are_told(files: Files) -> None:
    problems = files.problems(TEXT + "[trace]\nrecord = [" + ", ".join(f'"e{i}"' for i in range(2000)) + "]")
    assert len(problems) == 20
    assert problems[-1] == "… and 1,981 more mistakes; mend these first"


def test_a_scenario_from_a_pipe(files: Files) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=(TEXT,))
    writer.start()
    assert read_scenario("pipe") == parse_scenario(TEXT)
    writer.join()


def test_a_scenario_from_standard_input(files: Files) -> None:
    command = [sys.executable, "-m", "pcsim", "run", "-", "--set", "inference.steps=1", "--quiet"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}"}
    subprocess.run(command, env=environment, input=TEXT, text=True, check=True)
    assert Path("scenario.h5").is_file()


def test_a_device_is_no_scenario(files: Files) -> None:
    with pytest.raises(ScenarioError, match="/dev/null: this is a device, not a scenario"):
        read_scenario("/dev/null")
