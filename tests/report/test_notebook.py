"""What things say of themselves: at a prompt in one line, in a notebook with a table and a figure."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import pcsim
from pcsim.report.notebook import page
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING

SHORT = TEXT.replace("steps = 20", "steps = 3")
HOSTILE = SHORT.replace("A small one", "<script>alert(1)</script> [red]$x$")
MISSING = [
    name for name in ("nbclient", "nbformat", "ipykernel", "xarray", "pandas") if not importlib.util.find_spec(name)
]


def test_a_line_each(files: Files):
    scenario = files.read(SHORT)
    assert repr(scenario) == str(scenario) == "<Scenario 'A small one': state inference, float32 on numpy>"
    with pcsim.run(scenario, path="s.h5") as trace:
        assert repr(trace) == f"<Trace {files.folder / 's.h5'}: state, 3 layers, 4 rows, complete>"
        assert repr(trace.training) == "<History: nothing was trained>"
    assert repr(trace) == f"<Trace {files.folder / 's.h5'}: closed>"
    with pcsim.run(files.read(TRAINING)) as trained:
        assert repr(trained).startswith("<Trace in memory: state, 2 layers, 3 rows, complete>")
        assert repr(trained.training).startswith("<History of 4 epochs, 88 updates: ")
        scores = repr(pcsim.evaluate(trained))
        assert scores.startswith("<Scores on ")
        assert "test accuracy " in scores
    with pcsim.compare(scenario, precision=["float32", "float64"]) as comparison:
        assert repr(comparison) == (
            "<Comparison of float32 standard, float64 standard; the reference is float64 standard>"
        )


def test_a_summary_is_what_the_command_line_says(files: Files):
    with pcsim.run(files.read(SHORT)) as trace:
        lines = repr(trace.summary()).splitlines()
        assert lines[0] == "A small one"
        assert lines[2].split() == ["layer", "units", "arrival", "step", "final", "energy"]
    assert "[network]" in files.read(SHORT).summary()
    with pcsim.run(files.read(TRAINING)) as trace:
        assert trace.training.summary().splitlines()[0].startswith("epoch  learning rate  test accuracy")


def test_pages_have_a_figure_and_no_markup_of_a_file(files: Files):
    scenario = files.read(HOSTILE)
    with pcsim.run(scenario, path="s.h5") as trace, pcsim.compare(scenario, form=["standard", "increment"]) as both:
        for thing in (trace, both):
            shown = page(thing)
            assert '<img alt="figure"' in shown
            assert "<script" not in shown
        assert "&lt;script&gt;alert(1)&lt;/script&gt; [red]$x$" in page(trace)
    assert page(trace).endswith(f"&lt;Trace {files.folder / 's.h5'}: closed&gt;</pre>")
    assert "<script" not in page(scenario)


CELLS = (
    "import pcsim",
    'scenario = pcsim.read_scenario("signal-decay", ["inference.steps=20"])\nscenario',
    'trace = pcsim.run(scenario, path="decay.h5")\ntrace',
    "trace.summary()",
    "pcsim.plot(trace)",
    'trace.to_dataframe()["energy"].tail()',
    "trace.to_xarray()",
    'def tell(row):\n    print(row["epoch"])\n\n'
    'trained = pcsim.run("train-digits", "learning.epochs=2", on_epoch=tell)\ntrained.training',
    "pcsim.evaluate(trained)",
    "trace.close()\ntrace",
)


def executed(sources: tuple[str, ...], folder: Path) -> Any:
    import nbformat
    from nbclient import NotebookClient

    cells: list[Any] = [nbformat.v4.new_code_cell(source) for source in sources]
    book: Any = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return book


@pytest.mark.exhaustive
@pytest.mark.skipif(bool(MISSING), reason=f"a notebook needs {', '.join(MISSING)}")
def test_a_newcomers_notebook(tmp_path: Path):
    book = executed(CELLS, tmp_path)
    outputs = [cell.outputs for cell in book.cells]
    shown = [next((o.data for o in found if o.output_type == "execute_result"), {}) for found in outputs]
    assert not outputs[0]
    assert shown[1]["text/plain"].startswith("<Scenario 'Signal decay")
    assert "No signal reached layers" in shown[2]["text/html"]
    assert '<img alt="figure"' in shown[2]["text/html"]
    assert shown[3]["text/plain"].splitlines()[1].startswith("state inference")
    assert "image/png" in shown[4]
    assert "output" in shown[5]["text/html"]
    assert "Dimensions" in shown[6]["text/plain"]
    assert "".join(o.text for o in outputs[7] if o.output_type == "stream").split() == ["1", "2"]
    assert shown[7]["text/plain"].startswith("<History of 2 epochs, 44 updates")
    assert "test" in shown[8]["text/html"]
    assert shown[9]["text/plain"].endswith("decay.h5: closed>")


BAR = (
    "import pcsim\nimport pcsim.report.progress as shown\n\nshown.PATIENCE = -1.0",
    "def tell(row):\n    print('epoch', row['epoch'])\n\n"
    'trace = pcsim.run("train-digits", "learning.epochs=2", on_epoch=tell)\ntrace.training',
    'pcsim.run("signal-decay").status',
)


@pytest.mark.exhaustive
@pytest.mark.skipif(bool(MISSING), reason=f"a notebook needs {', '.join(MISSING)}")
def test_a_bar_leaves_one_empty_output_and_no_widget(tmp_path: Path):
    book = executed(BAR, tmp_path)
    for cell in book.cells[1:]:
        bars = [output.data for output in cell.outputs if output.output_type == "display_data"]
        assert bars == [{"text/html": "", "text/plain": ""}]
    assert "".join(o.text for o in book.cells[1].outputs if o.output_type == "stream") == "epoch 1\nepoch 2\n"
    assert book.cells[2].outputs[-1].data["text/plain"] == "'complete'"
    assert "widgets" not in book.metadata
