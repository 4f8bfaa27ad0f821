"""Heat maps of energies: grey where a layer has exactly none, white where none is known."""

from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure

from pcsim.figures.heat_map import draw_heat

GREY = (0.85, 0.85, 0.85, 1.0)


def test_zeros_are_grey_and_what_is_not_known_is_white() -> None:
    axes = Figure().subplots()
    energy = np.array([[1.0, 0.0, np.nan], [1.0, 1e-3, np.nan]])
    draw_heat(axes, np.array([0.0, 1.0]), energy, (1e-3, 1.0))
    known, zeros = cast("list[Any]", axes.collections)
    np.testing.assert_array_equal(np.ma.getmaskarray(known.get_array()), ~(energy > 0).T)
    np.testing.assert_array_equal(np.ma.getmaskarray(zeros.get_array()), ~(energy == 0).T)
    assert zeros.get_cmap()(0.0) == GREY
    assert axes.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert axes.get_title(loc="right") == "grey: exactly zero, no signal"


def test_nothing_is_grey_where_nothing_is_zero() -> None:
    axes = Figure().subplots()
    draw_heat(axes, np.array([0.0, 1.0]), np.array([[1.0, np.nan], [0.5, np.nan]]), (0.5, 1.0))
    assert len(axes.collections) == 1
    assert axes.get_title(loc="right") == ""
