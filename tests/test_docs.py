"""What is derived from the code agrees with it."""

import re
from pathlib import Path
from typing import Any

import pytest

from pcsim.cli import COMMANDS
from pcsim.resources import scenario_dir
from pcsim.scenario import list_scenarios
from tests.support.places import ROOT
from tools.pages.make_reference import derived


def test_schema_and_scenario_reference_are_up_to_date() -> None:
    for path, text in derived().items():
        assert path.read_text() == text, f"run tools/pages/make_reference.py: {path.name} is out of date"


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
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        found += [pytest.param(block, id=f"{page.stem}-{i}") for i, block in enumerate(blocks)]
    return found


@pytest.mark.exhaustive
@pytest.mark.parametrize("block", python_blocks())
def test_every_block_runs_alone(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    exec(compile(block, "block", "exec"), {"__name__": "block"})


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_scenarios_of_convolutional_networks_are_up_to_date() -> None:
    from tools.data.make_image_scenarios import derived

    for path, text in derived().items():
        assert path.read_text() == text, f"run python -m tools.data.make_image_scenarios: {path.name} is out of date"
