"""What is derived from the code agrees with it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import pcsim
from pcsim.cli import COMMANDS
from pcsim.cli.call import call
from pcsim.cli.commands import group
from pcsim.resources import scenario_dir
from pcsim.scenario import list_scenarios
from tests.support.places import ROOT
from tests.support.scenario_files import Files
from tools.pages.make_reference import derived

HOW_DO_I = ROOT / "docs" / "how-do-i.md"


def test_schema_and_scenario_reference_are_up_to_date() -> None:
    for path, text in derived().items():
        assert path.read_text() == text, f"run tools/pages/make_reference.py: {path.name} is out of date"


def test_commands_in_the_docs_take_the_options_that_are_written_there() -> None:
    context = click.Context(group)
    taken = {name: {word for option in command(name).params for word in option.opts} for name in COMMANDS}
    pages = [ROOT / "README.md", ROOT / "data" / "README.md", *(ROOT / "docs").glob("**/*.md")]
    wrong: list[str] = []
    for page in pages:
        for name, rest in re.findall(r"pcsim (\w+)([^\n`|>]*)", page.read_text()):
            if name not in taken:
                continue
            found = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", rest)) - {"--help", "--debug"}
            wrong += [f"{page.name}: pcsim {name} {word}" for word in found - taken[name]]
    assert not wrong
    assert all(f"pcsim {name}" in (ROOT / "docs" / "commands.md").read_text() for name in group.list_commands(context))


def command(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def test_every_shipped_scenario_is_listed() -> None:
    assert sorted(name for name, _ in list_scenarios()) == sorted(path.stem for path in scenario_dir().glob("*.toml"))


def test_the_readme_begins_with_the_commands_that_set_up_and_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "pip install -e . && pcsim run signal-decay" in readme[:200]
    assert "pip install -e '.[test]' && pytest" in readme[:200]
    for command in COMMANDS:
        assert f"pcsim {command}" in readme


@pytest.mark.parametrize("page", ["curvature", "linear"])
def test_examples_of_a_page_print_what_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    names: dict[str, object] = {}
    for example, printed in re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL):
        exec(compile(example, f"docs/{page}.md", "exec"), names)
        assert capsys.readouterr().out == printed


def python_blocks() -> list[Any]:
    """Return every Python block of the pages, named by its page and its number there."""
    found: list[Any] = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if page == HOW_DO_I:
            continue  # its blocks run one after another, below
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        found += [pytest.param(block, id=f"{page.stem}-{i}") for i, block in enumerate(blocks)]
    return found


@pytest.mark.exhaustive
@pytest.mark.parametrize("block", python_blocks())
def test_every_block_runs_alone(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    exec(compile(block, "block", "exec"), {"__name__": "block"})


@pytest.mark.exhaustive
def test_answers_run_as_they_stand(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", HOW_DO_I.read_text(), re.DOTALL | re.MULTILINE):
        if language == "python":
            exec(compile(block, "block", "exec"), {"__name__": "block"})
            continue
        for line in block.splitlines():
            command, _, target = line.partition(" > ")
            program, *arguments = shlex.split(command)
            capsys.readouterr()
            assert (program, call(arguments)) == ("pcsim", 0), line
            if target:
                (files.folder / target).write_text(capsys.readouterr().out)


@pytest.mark.exhaustive
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_COLOR": "1", "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, env=quiet)
    assert built.returncode == 0, built.stderr
    pages = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= pages


def test_the_page_on_python_names_all_that_is_public() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    named = set(re.findall(r"heading: pcsim\.(\w+)", text))
    assert named == set(pcsim.__all__) - {"__version__"}


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_scenarios_of_convolutional_networks_are_up_to_date() -> None:
    from tools.data.make_image_scenarios import derived

    for path, text in derived().items():
        assert path.read_text() == text, f"run python -m tools.data.make_image_scenarios: {path.name} is out of date"
