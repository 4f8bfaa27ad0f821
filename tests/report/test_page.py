"""Pages of traces, without a browser: what they hold, that nothing in them runs, and how much is left of many rows."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.report.findings import findings
from pcsim.report.page.series import Series, shares, written
from pcsim.typing import NDArray
from tests.support.pages import EVIL, hostile_trace, page_of
from tests.support.scenario_files import TEXT, Files


@pytest.fixture
def trace(files: Files) -> pcsim.Trace:
    return pcsim.run(pcsim.read_scenario(files.write(TEXT), ["inference.steps=6"]), path="t.h5")


def numbers(found: list[Any]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in found])


def test_nothing_is_read_where_nothing_is_new() -> None:
    def never(rows: slice) -> NDArray[Any]:
        raise AssertionError(f"{rows} read")

    found = written(Series(9, 3, never, never), 100, since=9)
    assert found == {"from": 9, "total": 9, "columns": 3, "x": [], "low": []}


def test_a_page_holds_what_the_trace_does(trace: pcsim.Trace) -> None:
    page = page_of(pcsim.view([trace], "t.html"))
    (content,) = page.content["traces"]
    (energy,) = content["panels"]
    assert (energy["columns"], energy["rows"]["x"]) == (list(trace.layer_names), list(range(7)))
    np.testing.assert_allclose(numbers(energy["rows"]["low"]), trace.energy.ravel(), rtol=1e-5)
    assert content["findings"] == findings(trace)
    assert content["scenario"] == trace.provenance["scenario"]
    (table,) = content["tables"]
    assert [row[2] for row in table["rows"]] == [str(step) for step in trace.arrival_steps]
    assert ["versions", trace.provenance["versions"]] in content["facts"]
    assert "notice" not in content
    assert "Copyright (c) 2022 Leon Sorokin" in page.texts["script"]


def test_a_page_loads_nothing_and_runs_its_own_script_alone(trace: pcsim.Trace) -> None:
    page = page_of(pcsim.view([trace], "t.html"))
    assert page.policy.startswith("default-src 'none';")
    assert page.allows("script")
    assert page.allows("style")
    assert [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")] == [
        "data:,"
    ]


def test_texts_of_a_trace_are_nothing_but_text(files: Files) -> None:
    hostile_trace(Path("evil.h5"))
    with pcsim.open_trace("evil.h5") as trace:
        page = page_of(pcsim.view([trace], "evil.html"))
    assert [tag for tag, _ in page.tags if tag in ("script", "img")] == ["script", "script"]
    (content,) = page.content["traces"]
    assert content["title"] == content["panels"][0]["columns"][0] == EVIL
    expected = np.resize([0.0, np.nan, np.inf, 1e300, 0.0, 1.0, -1.0], 15)
    np.testing.assert_allclose(numbers(content["panels"][0]["rows"]["low"]), expected, rtol=1e-5, atol=1e-300)


def test_a_trace_without_rows_says_so(files: Files) -> None:
    hostile_trace(Path("none.h5"), rows=0)
    with pcsim.open_trace("none.h5") as trace:
        (content,) = page_of(pcsim.view([trace], "none.html")).content["traces"]
    assert content["panels"] == []
    assert content["says"] == ["This trace holds no rows of inference: its run ended before it (status complete)."]


def test_several_traces_are_told_apart_by_name_and_by_keys(trace: pcsim.Trace, files: Files) -> None:
    other = pcsim.run(pcsim.read_scenario("s.toml", ["inference.steps=3"]), path="o.h5")
    contents = page_of(pcsim.view([trace, other, other], "t.html")).content["traces"]
    names = [content["name"] for content in contents]
    assert names == ["t.h5", *(f"{files.folder.name}/o.h5 ({i})" for i in (2, 3))]
    assert [content["settings"]["inference.steps"] for content in contents] == ["6", "3", "3"]


def test_training_has_curves_and_diagnoses(files: Files) -> None:
    text = TEXT.replace("batch = 16", "batch = 256") + '\n[learning]\nepochs = 2\n\n[trace]\nrecord = ["energy"]\n'
    with pcsim.run(pcsim.read_scenario(files.write(text), ["inference.steps=2"])) as trace:
        (content,) = page_of(pcsim.view([trace], "t.html")).content["traces"]
        panels = {panel["id"]: panel for panel in content["panels"]}
        np.testing.assert_allclose(
            numbers(panels["cosine"]["rows"]["low"]), trace.training["cosine"].ravel(), rtol=1e-5
        )
    assert list(panels)[:3] == ["accuracy", "loss", "update-energy"]
    assert panels["accuracy"]["columns"] == ["training", "test"]
    assert [table["title"] for table in content["tables"]] == ["Training by layer", "Inference by layer"]


def test_a_study_has_its_table_and_a_panel_for_every_array(files: Files) -> None:
    text = TEXT + '\n[sweep]\n"inference.steps" = [1, 2]\n\n[study]\nkind = "energies"\n'
    with pcsim.run(pcsim.read_scenario(files.write(text))) as trace:
        (content,) = page_of(pcsim.view([trace], "t.html")).content["traces"]
    assert content["tables"][0]["title"] == "Study"
    assert len(content["tables"][0]["rows"]) == 2
    (energy,) = (panel for panel in content["panels"] if panel["id"] == "study energy")
    assert energy["x"] in ("step", "layer", "row")


def test_a_study_of_another_program_is_shown_as_far_as_it_goes(files: Files) -> None:
    text = TEXT + '\n[sweep]\n"inference.steps" = [1, 2]\n'
    pcsim.run(pcsim.read_scenario(files.write(text)), path="t.h5").close()
    with h5py.File("t.h5", "r+") as file:
        file.attrs["study"] = "file"
        del file["study/energy"].attrs["DIMENSION_LIST"]
    with pcsim.open_trace("t.h5") as trace:
        (content,) = page_of(pcsim.view([trace], "t.html")).content["traces"]
        with pytest.raises(UsageError, match="no kind of study 'file'"):
            pcsim.plot([trace], "t.png")
    assert "Study" not in [table["title"] for table in content["tables"]]
    (energy,) = (panel for panel in content["panels"] if panel["id"] == "study energy")
    assert energy["x"].startswith("energy_")


def test_of_many_rows_the_smallest_and_the_largest_are_kept() -> None:
    rows, most = 50_000, 4_000
    values = np.random.default_rng(0).normal(size=(rows, 3))
    values[123, 1], values[40_001, 2], values[-1] = 100.0, -100.0, np.nan
    found = written(Series(rows, 3, lambda chosen: np.arange(rows)[chosen], lambda chosen: values[chosen]), most)
    low, high = (numbers(found[name]).reshape(-1, 3) for name in ("low", "high"))
    x, until = np.array(found["x"]), np.array(found["until"])
    assert low.size + high.size + x.size + until.size <= most
    assert (x[0], until[-1], found["total"]) == (0, rows - 1, rows)
    np.testing.assert_array_equal(x[1:], until[:-1] + 1)
    for first, last, smallest, largest in zip(x, until, low, high, strict=True):
        stretch = values[first : last + 1]
        np.testing.assert_allclose(smallest, np.fmin.reduce(stretch), rtol=1e-5)
        np.testing.assert_allclose(largest, np.fmax.reduce(stretch), rtol=1e-5)


def test_room_is_shared_by_those_that_need_it() -> None:
    assert shares([10, 1000, 20, 3000], 530) == [10, 250, 20, 250]
    assert shares([10, 20], 100) == [10, 20]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["s.toml"], "s.toml is not an HDF5 file"),
        (["none.h5"], "no trace at none.h5"),
        (["t.h5", "-o", "t.png"], "t.png: a page ends in .html or .htm; name it so with -o"),
        (["t.h5", "-o", "none/t.html"], "the folder none does not exist"),
        (["t.h5", "-o", "mine.html"], "mine.html exists, and pcsim did not draw it; choose another name with -o"),
    ],
)
def test_a_mistake_is_one_line(
    files: Files, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    files.write(TEXT)
    hostile_trace(Path("t.h5"), rows=0)
    Path("mine.html").write_text("mine")
    assert call(["view", *arguments]) == 2
    assert line in capsys.readouterr().err
    assert Path("mine.html").read_text() == "mine"


def test_force_replaces_a_file_and_pages_replace_each_other(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    hostile_trace(Path("t.h5"), rows=0)
    Path("mine.html").write_text("mine")
    assert call(["view", "t.h5", "-o", "mine.html", "--force"]) == call(["view", "t.h5", "-o", "mine.html"]) == 0
    assert capsys.readouterr().out == "page: mine.html\n" * 2
