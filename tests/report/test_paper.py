"""Figures for papers: width, panels, letters, fonts, ticks, and scales that several traces share."""

import re
import shutil
import subprocess
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

import pcsim
from pcsim.cli.call import call
from pcsim.figures.axes import log_ticks, plain_number
from pcsim.figures.layer_lines import layer_colours
from tests.support.scenario_files import TEXT, Files, changed
from tests.support.training_files import TRAINING, only_line

DEEP = changed("[64, 32, 32, 10]", str([64] + [8] * 19 + [10]))
PAPER = ("--width", "3.4in", "--no-title", "--panels", "energy,heat", "--style", "paper")


def letters(figure: Any) -> list[float]:
    """Return the sizes of all text that is seen, in points."""
    figure.draw_without_rendering()
    found = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert not [t.get_text() for t in found if "$" in t.get_text()]  # powers would be smaller than their text
    return [t.get_fontsize() for t in found]


@pytest.fixture
def deep(files: Files) -> Path:
    pcsim.run(files.read(DEEP), path="t.h5").close()
    return Path("t.h5")


@pytest.mark.usefixtures("deep")
def test_a_figure_for_a_column_has_letters_to_read_and_fonts_that_journals_take():
    figure = pcsim.plot("t.h5", width="3.4in", title=False, panels="energy,heat", style="paper")
    assert figure.get_figwidth() == 3.4
    assert min(letters(figure)) >= 6.0
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["layer 0", "layer 4", "layer 9", "layer 14", "layer 18", "output"]
    for ending in ("pdf", "svg"):
        assert call(["plot", "t.h5", *PAPER, "-o", f"t.{ending}"]) == 0
    written = Path("t.pdf").read_bytes()
    assert b"/Type3" not in written
    assert b"/CIDFontType2" in written or b"/TrueType" in written
    assert re.search(r"<text[^>]*>inference step</text>", Path("t.svg").read_text(encoding="utf-8"))


def written_letters(path: Path) -> list[float]:
    """Return the sizes of all text in a PDF, in points, as its pages say them."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.DOTALL)
    pages = []
    for stream in streams:
        with suppress(zlib.error):
            pages.append(zlib.decompress(stream))
    return [float(size) for page in pages for size in re.findall(rb"/F\d+ ([\d.]+) Tf", page)]


FIGURES = {
    "inference": (DEEP, PAPER),
    "screen": (DEEP, ()),
    "training": (TRAINING, ("--width", "3.4in", "--style", "paper")),
}


@pytest.mark.parametrize("case", FIGURES)
@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs pdffonts, of Debian's poppler-utils")
def test_pdffonts_finds_no_type_3_and_all_fonts_embedded(files: Files, case: str):
    text, words = FIGURES[case]
    pcsim.run(files.read(text), path="t.h5").close()
    assert call(["plot", "t.h5", *words, "-o", "t.pdf"]) == 0
    found = subprocess.run(["pdffonts", "t.pdf"], capture_output=True, text=True, check=True).stdout.splitlines()
    heading, fonts = found[0], found[2:]
    assert fonts
    assert not [line for line in fonts if "Type 3" in line]
    embedded = heading.index("emb")
    assert {line[embedded : embedded + 3] for line in fonts} == {"yes"}
    assert min(written_letters(Path("t.pdf"))) >= 6.0


def test_panels_are_chosen_and_those_that_are_not_there_said(files: Files, capsys: pytest.CaptureFixture[str]):
    pcsim.run(files.read(TRAINING), path="s.h5").close()
    figure = pcsim.plot("s.h5", panels=["curves", "cosine"], width="86mm", title=False)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["accuracy (%)", "layer (input to output)", "cosine to backpropagation"]
    line = only_line(capsys, ["plot", "s.h5", "--panels", "samples"], code=2)
    assert line == "s.h5 has none of these panels; it has curves, updates, cosine, change, energy, heat"
    assert "did you mean 'heat'" in only_line(capsys, ["plot", "s.h5", "--panels", "haet"], code=2)
    assert "as in 3.4in, 8.6cm or 86mm" in only_line(capsys, ["plot", "s.h5", "--width", "3 foot"], code=2)
    assert "'slides' is not allowed" in only_line(capsys, ["plot", "s.h5", "--style", "slides"], code=2)


def test_colours_of_cosines_are_spread_over_what_there_is(files: Files):
    with pcsim.run(files.read(TRAINING)) as trace:
        cosine = trace.training["cosine"]
        heat = pcsim.plot(trace, panels="cosine").axes[0].collections[0]
        np.testing.assert_allclose((heat.norm.vmin, heat.norm.vmax), (cosine.min(), cosine.max()))


def test_several_traces_share_their_scales(files: Files):
    traces = [pcsim.run(files.read(DEEP, f"inference.steps={steps}")) for steps in (5, 20)]
    lines, heat, more_lines, more_heat = pcsim.plot(traces).axes[:4]
    assert lines.get_xlim() == more_lines.get_xlim()
    assert lines.get_ylim() == more_lines.get_ylim()
    ends = [(axes.collections[0].norm.vmin, axes.collections[0].norm.vmax) for axes in (heat, more_heat)]
    assert ends[0] == ends[1]


def test_ticks_of_log_axes():
    assert log_ticks(1, 64) == [1, 2, 5, 10, 20, 50]
    assert log_ticks(0.015, 0.4) == pytest.approx([0.02, 0.05, 0.1, 0.2])
    assert np.log10(log_ticks(1e-20, 1.0)).tolist() == pytest.approx([-18, -15, -12, -9, -6, -3, 0])
    assert [plain_number(x) for x in (0, 0.02, 50, 2e-7, 1e5, 1e-20)] == ["0", "0.02", "50", "2e-7", "1e5", "1e-20"]


def test_lines_stand_out_from_white():
    from matplotlib.colors import to_rgb

    for colour in layer_colours([*(f"layer {i}" for i in range(19)), "output"]):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        luminance = float(np.dot((0.2126, 0.7152, 0.0722), linear))
        assert 1.05 / (luminance + 0.05) > 1.8  # contrast to white, as WCAG measures it


def test_a_comparison_is_drawn_where_its_file_is_named(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT.replace("steps = 20", "steps = 3"))
    assert call(["compare", "s.toml", "--form", "standard,increment", "-o", "x.pdf"]) == 0
    assert Path("x.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(p.suffix for p in Path("s-compare").iterdir()) == [".csv", ".h5", ".h5"]
    assert capsys.readouterr().out.splitlines()[-1] == "figure: x.pdf"
