import numpy as np
import pytest

from pcsim.model.initialisers import Initialiser, Kaiming, Normal, Orthogonal, Uniform, Xavier
from pcsim.model.layers import read_as_dense
from pcsim.model.network import Network, dense_chain
from tests.support.cases import ACTIVATIONS


def premultipliers(network: Network) -> list[float]:
    return [dense.premultiplier for dense in map(read_as_dense, network.layers) if dense is not None]


def test_mupc_premultipliers_are_those_of_the_thesis_table() -> None:
    network = dense_chain((7, 5, 5, 5, 3), ACTIVATIONS["relu"], activation_first=True, skip=1, mupc=True)
    assert premultipliers(network) == pytest.approx([7**-0.5, (5 * 4) ** -0.5, (5 * 4) ** -0.5, 1 / 5])
    plain = dense_chain((7, 5, 5, 5, 3), ACTIVATIONS["relu"], activation_first=True, mupc=True)
    assert premultipliers(plain) == pytest.approx([7**-0.5, 5**-0.5, 5**-0.5, 1 / 5])


def test_the_neural_tangent_parametrisation_differs_at_the_output_which_gamma_divides() -> None:
    network = dense_chain((7, 5, 5, 5, 3), ACTIVATIONS["relu"], skip=1, ntp=True, gamma=2.0)
    assert premultipliers(network) == pytest.approx([7**-0.5, (5 * 4) ** -0.5, (5 * 4) ** -0.5, 5**-0.5 / 2])
    plain = dense_chain((7, 5, 3), ACTIVATIONS["relu"], gamma=2.0)
    assert premultipliers(plain) == [1.0, 0.5]
    assert premultipliers(dense_chain((7, 3), ACTIVATIONS["relu"], mupc=True, gamma=2.0)) == pytest.approx(
        [0.5 * 7**-0.5]
    )


def test_skips_sit_on_hidden_layers_from_their_length_on() -> None:
    network = dense_chain((4, 4, 4, 4, 4, 4), ACTIVATIONS["tanh"], skip=2)
    assert [dense.skip for dense in map(read_as_dense, network.layers) if dense is not None] == [None, None, 0, 1, None]
    assert network.readers == ((1, 2), (2, 3), (3,), (4,))


def test_parameters_depend_on_the_seed_alone() -> None:
    network = dense_chain((4, 5, 3), ACTIVATIONS["tanh"])
    a, b, c = (network.draw_parameters(Orthogonal(), seed) for seed in (1, 1, 2))
    assert all((p[k] == q[k]).all() for p, q in zip(a, b, strict=True) for k in p)
    assert (a[0]["W"] != c[0]["W"]).any()
    assert a[0]["W"].dtype == np.float64
    assert (a[0]["b"] == 0).all()


@pytest.mark.parametrize("shape", [(6, 6), (9, 4), (4, 9)])
def test_orthogonal_matrices_preserve_lengths_on_their_smaller_side(shape: tuple[int, int]) -> None:
    w = Orthogonal(1.5).draw(np.random.default_rng(0), shape, shape)
    product = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(product, 2.25 * np.eye(min(shape)), atol=1e-14)


@pytest.mark.parametrize(
    ("initialiser", "std"),
    [
        (Kaiming(uniform=True), (2 / 300) ** 0.5),
        (Kaiming(uniform=False, gain=1.0), 300**-0.5),
        (Xavier(uniform=True), (2 / 700) ** 0.5),
        (Xavier(uniform=False, gain=3.0), 3 * (2 / 700) ** 0.5),
        (Normal(0.2), 0.2),
        (Uniform(-1.0, 1.0), 3**-0.5),
    ],
)
def test_variances_are_those_of_the_papers(initialiser: Initialiser, std: float) -> None:
    w = initialiser.draw(np.random.default_rng(0), (300, 400), (300, 400))
    assert w.shape == (300, 400)
    assert w.std() == pytest.approx(std, rel=0.01)
    assert w.mean() == pytest.approx(0, abs=0.01 * std * 3)
    if getattr(initialiser, "uniform", False):
        assert np.abs(w).max() <= 3**0.5 * std
