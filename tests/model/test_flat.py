"""Flat vectors: every variable lies where it is said to, and comes back from there."""

import numpy as np
import pytest

from pcsim.model.flat import Flat

SHAPES = ((2, 3), (1,), (4,))


@pytest.mark.parametrize("order", [None, (2, 0, 1)])
def test_variables_come_back_from_their_places(order: tuple[int, ...] | None) -> None:
    layout = Flat(SHAPES, order)
    variables = [np.random.default_rng(i).standard_normal((5, *shape)) for i, shape in enumerate(SHAPES)]
    vectors = layout.join(np, variables, np.zeros((5, 1)))
    assert vectors.shape == (5, layout.size) == (5, 11)
    for place, part, own, back in zip(layout.places, layout.sizes, variables, layout.split(vectors), strict=True):
        assert place.stop - place.start == part
        np.testing.assert_array_equal(vectors[:, place], own.reshape(5, -1))
        np.testing.assert_array_equal(back, own)
    first = SHAPES.index((2, 3)) if order is None else order[0]
    assert layout.places[first].start == 0
    assert [part.shape for part in layout.split(vectors[0])] == list(SHAPES)


def test_no_variables_leave_the_type() -> None:
    empty = Flat(()).join(np, (), np.zeros((3, 7), np.float32))
    assert (empty.shape, empty.dtype) == ((3, 0), np.float32)
    assert Flat(()).split(empty) == ()
