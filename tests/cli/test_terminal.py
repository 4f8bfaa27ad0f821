"""Text from files reaches the terminal printable: nothing in it is obeyed."""

from pathlib import Path
from typing import Any

import h5py
import pytest

from pcsim.cli.call import call
from pcsim.words import printable
from tests.support.scenario_files import TEXT, Files, changed

CODES = "\x1b]0;owned\x07\x1b[2J[red]\u202egnp\u202c \x9b31m \u2028"
TOML = "".join(f"\\u{ord(sign):04x}" if not sign.isprintable() else sign for sign in CODES)
SMALL = ("--set", "network.widths=[64,8,10]", "--set", "inference.steps=4")


def is_plain(text: str) -> bool:
    return all(sign.isprintable() or sign == "\n" for sign in text)


@pytest.mark.parametrize(
    "text", ["plain", "zwei\nZeilen\tmit Tab", "می\u200cخواهم", "👩\u200d🔬", "größer – 漢字"], ids=range(5)
)
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_what_a_terminal_obeys_is_escaped_as_in_toml() -> None:
    assert is_plain(printable(CODES))
    assert printable("a\x1b[31m\u202eb\ud800") == "a\\u001b[31m\\u202eb\\ud800"


def test_titles_layers_and_labels_are_shown_and_not_obeyed(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(changed("A small one", TOML))
    assert call(["run", "s.toml", *SMALL]) == 0
    file: Any
    with h5py.File("s.h5", "r+") as file:
        file.attrs["method"] = CODES
        file["layer_name"][0] = CODES
    for command in (["check", "s.toml"], ["show", "s.toml"], ["replay", "s.h5"], ["inspect", "s.toml", *SMALL]):
        assert call(command) == 0
    printed = capsys.readouterr()
    assert "\\u001b[2J[red]" in printed.out
    assert is_plain(printed.out)
    assert is_plain(printed.err)


@pytest.mark.parametrize(
    "text",
    [f'"{TOML}" = 1\n{TEXT}', changed('"gelu"', f'"{TOML}"'), changed('"digits"', f'"npz"\nfile = "{TOML}"')],
    ids=["key", "word", "path"],
)
def test_errors_quote_without_obeying(files: Files, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    files.write(text)
    assert call(["run", "s.toml"]) == 2
    printed = capsys.readouterr()
    assert "owned" in printed.err
    assert is_plain(printed.err)


def test_names_of_files_are_not_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plot", str(tmp_path / "\x1b[31m.h5")]) == 2
    assert is_plain(capsys.readouterr().err)
