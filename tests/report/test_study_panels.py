"""Panels and the table of what a study has one value a run of."""

from typing import Any

import numpy as np

from pcsim.report.page.study_panels import runs_table, study_panels
from pcsim.studies.results import Measured


def results(**columns: Any) -> dict[str, Measured]:
    """Return what has one value a run, after the number of every run."""
    found = {name: np.array(values) for name, values in columns.items()}
    runs = np.arange(len(next(iter(found.values()))))
    return {name: Measured(values, ("run",), f"the {name}") for name, values in ({"run": runs} | found).items()}


def test_what_runs_come_to_is_drawn_over_the_number_most_differ_in() -> None:
    told = results(
        depth=[4, 2, 8, 2, 4, 8], form=["a", "a", "a", "b", "b", "b"], score=[0.4, 0.2, 0.8, 1.2, 1.4, np.nan]
    )
    (panel,) = study_panels(told)
    assert (panel.id, panel.x, panel.columns) == ("study score", "depth", ["a", "b"])
    rows = slice(0, 3)
    assert panel.series.clock(rows).tolist() == [2.0, 4.0, 8.0]
    np.testing.assert_array_equal(panel.series.values(rows), [[0.2, 1.2], [0.4, 1.4], [0.8, np.nan]])


def test_numbers_tell_columns_apart_by_their_names() -> None:
    (panel,) = study_panels(results(depth=[1, 2, 3, 1, 2, 3], width=[8, 8, 8, 9, 9, 9], score=np.arange(6.0)))
    assert panel.columns == ["width 8", "width 9"]
    (panel,) = study_panels(results(depth=[1, 2, 3], score=np.arange(3.0)))
    assert panel.columns == ["depth"]


def test_runs_that_nothing_tells_apart_are_not_drawn_over_each_other() -> None:
    assert study_panels(results(depth=[1, 2, 1], score=np.arange(3.0))) == []
    assert study_panels(results(score=np.arange(3.0))) == []


def test_a_table_has_a_line_a_run() -> None:
    assert runs_table(results(form=["a", "b"], score=[1 / 3, 2.0])) == {
        "title": "Runs",
        "head": ["run", "form", "score"],
        "rows": [["0", "a", "0.3333"], ["1", "b", "2"]],
    }
    assert runs_table({"x": Measured(np.zeros(2), ("x",), "no run's")}) is None
