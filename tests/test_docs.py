"""What is derived from the code agrees with it."""

import re

import pytest

from pcsim.cli import COMMANDS
from pcsim.resources import scenario_dir
from pcsim.scenario import list_scenarios, read_scenario, scenario_text
from tests.support.places import ROOT
from tools.pages.make_reference import derived


def test_schema_and_scenario_reference_are_up_to_date() -> None:
    for path, text in derived().items():
        assert path.read_text() == text, f"run tools/pages/make_reference.py: {path.name} is out of date"


def test_every_shipped_scenario_reads_resolves_and_has_a_title() -> None:
    names = [name for name, _ in list_scenarios()]
    assert sorted(names) == sorted(path.stem for path in scenario_dir().glob("*.toml"))
    for name, title in list_scenarios():
        assert title
        assert scenario_text(read_scenario(name))


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


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
