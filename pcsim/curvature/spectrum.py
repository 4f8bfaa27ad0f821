"""Extreme eigenvalues of Hessians: dense where small, else by Lanczos without ever forming the matrix."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from pcsim.curvature.blocks import NEARLY_SINGULAR, BlockCholesky, BlockMatrix, NotPositiveDefinite
from pcsim.curvature.local import state_hessian
from pcsim.curvature.products import Curvature, StateCurvature
from pcsim.errors import UsageError
from pcsim.model.flat import Flat
from pcsim.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Product = Callable[[NDArray[np.float64]], NDArray[np.float64]]

DENSE = 512
"""Largest matrix whose eigenvalues are computed densely: a tenth of a second."""
SHARP = 1e-12
"""Relative accuracy asked of Lanczos: rounding of the products adds about as much."""
ROUGH = 1e-2
"""Accuracy asked of a bound for step sizes."""
RESTARTS = 100
"""Of Lanczos before its accuracy is given up, where rounding of the largest eigenvalue may hide the smallest."""


@dataclass(frozen=True)
class Extremes:
    """Smallest and largest eigenvalue of a Hessian, one sample's or over some."""

    smallest: float
    largest: float

    @property
    def condition_number(self) -> float:
        """λ_max/λ_min, infinite where the Hessian is not positive definite."""
        return self.largest / self.smallest if self.smallest > 0 else inf

    @property
    def largest_stable_step(self) -> float:
        """2/λ_max: gradient descent near this point is stable for smaller step sizes; infinite without curvature."""
        return 2.0 / self.largest if self.largest > 0 else inf


def operator_of(curvature: Curvature) -> "LinearOperator":
    """Return the Hessian as SciPy's operator: of one sample, or block diagonal over all samples of the point.

    Unknowns are those of the first sample in order of layers, then the next sample's.
    """
    layout, batch = Flat(curvature.energy.network.state_shapes), len(curvature.clamped.y)

    def rows(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return layout.join(np, curvature.product(layout.split(flat)), flat)

    def matvec(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows(x.reshape(batch, layout.size)).reshape(-1)

    def matmat(x: NDArray[np.float64]) -> NDArray[np.float64]:
        if batch == 1:
            return rows(x.T).T
        return np.stack([matvec(column) for column in x.T], axis=1)

    return symmetric_operator(batch * layout.size, matvec, matmat)


def largest_eigenvalue(operator: "LinearOperator", accuracy: float = SHARP) -> float:
    """Return the largest eigenvalue of a symmetric operator to a relative accuracy, NaN where it is not finite.

    Raises `UsageError` where Lanczos does not get there.
    """
    if not _is_finite(operator):
        return np.nan
    if operator.shape[0] <= DENSE:
        return float(_dense_eigenvalues(operator)[-1])
    return _lanczos(operator, "LA", accuracy)


def _is_finite(operator: "LinearOperator") -> bool:
    return bool(np.isfinite(operator.matvec(np.ones(operator.shape[0]))).all())


def extremes(curvature: Curvature) -> Extremes:
    """Return the extreme eigenvalues of the Hessian of a point of one sample; a smallest that is all rounding is 0.

    NaN where the Hessian is not finite.

    Over states the smallest comes from a block Cholesky factor (inverse Lanczos), which converges whatever the
    condition number; over errors from Lanczos itself.
    """
    operator = operator_of(curvature)
    if not _is_finite(operator):
        return Extremes(np.nan, np.nan)
    if operator.shape[0] <= DENSE:
        values = _dense_eigenvalues(operator)
        smallest, largest = float(values[0]), float(values[-1])
    else:
        largest = _lanczos(operator, "LA", SHARP)
        if isinstance(curvature, StateCurvature):
            smallest = lowest_eigenvalue(state_hessian(curvature), largest)
        else:
            smallest = _smallest_of_operator(operator, largest)
    return Extremes(0.0 if abs(smallest) < NEARLY_SINGULAR * largest else smallest, largest)


def lowest_eigenvalue(matrix: BlockMatrix, largest: float) -> float:
    """Return the smallest eigenvalue of any symmetric matrix whose `largest` is known.

    By Lanczos on the inverse of the matrix plus a shift: none, else the smallest of a geometric series that makes it
    positive definite. Exact to 1e-12 of itself, or to rounding of the largest.
    """
    shift, step = 0.0, NEARLY_SINGULAR * (abs(float(largest)) or 1.0)
    while True:
        try:
            return smallest_eigenvalue(matrix.plus(shift).factorised()) - shift
        except NotPositiveDefinite:
            shift = 10.0 * (shift or step)
            if not np.isfinite(shift):
                raise


def block_extremes(matrix: BlockMatrix) -> Extremes:
    """Return the extreme eigenvalues of a small positive definite matrix, densely; `NotPositiveDefinite` otherwise."""
    values = np.linalg.eigvalsh(matrix.dense())
    if values[0] <= NEARLY_SINGULAR * values[-1]:
        raise NotPositiveDefinite("the Hessian has an eigenvalue of zero, to rounding")
    return Extremes(float(values[0]), float(values[-1]))


def smallest_eigenvalue(factor: BlockCholesky) -> float:
    """Return the smallest eigenvalue of a positive definite matrix, by Lanczos on its inverse.

    Raises `NotPositiveDefinite` for one that is singular to rounding.
    """
    factor.require_regular()
    return 1.0 / _lanczos(symmetric_operator(sum(factor.sizes), factor.solve), "LA", SHARP)


def symmetric_operator(order: int, product: Product, products: Product | None = None) -> "LinearOperator":
    """Return SciPy's operator of a symmetric product with a vector (n,), and with columns (n, k) if given."""
    from scipy.sparse.linalg import LinearOperator

    # SciPy's types know the class that this constructor returns another of.
    made: Any = LinearOperator
    return made((order, order), matvec=product, rmatvec=product, matmat=products, dtype=np.float64)


def _dense_eigenvalues(operator: "LinearOperator") -> Float64[NDArray[np.float64], " n"]:
    """Return all eigenvalues of a small operator in ascending order; zero alone where it has no rows."""
    order = operator.shape[0]
    return np.zeros(1) if order == 0 else np.linalg.eigvalsh(operator.matmat(np.eye(order)))


def _smallest_of_operator(operator: "LinearOperator", largest: float) -> float:
    """Return the smallest eigenvalue to 1e-12 of itself, or, where rounding hides that, of the largest."""
    try:
        return _lanczos(operator, "SA", SHARP, restarts=RESTARTS)
    except UsageError:

        def flipped(x: NDArray[np.float64]) -> NDArray[np.float64]:
            return largest * x - operator.matvec(x)

        return largest - _lanczos(symmetric_operator(operator.shape[0], flipped), "LA", SHARP)


def _lanczos(operator: "LinearOperator", which: str, accuracy: float, restarts: int | None = None) -> float:
    """Return the eigenvalue at one end of a symmetric operator's spectrum; the same on every call."""
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    # SciPy's types take its default tolerance, a whole number, for the only kind.
    solve: Any = eigsh
    vectors = 40 if accuracy < ROUGH else 20
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    asked = {"k": 1, "which": which, "v0": start, "tol": accuracy, "ncv": vectors, "maxiter": restarts}
    try:
        found = solve(operator, return_eigenvectors=False, **asked)
    except ArpackNoConvergence as error:
        raise UsageError(
            f"Lanczos iteration did not reach an accuracy of {accuracy:g} for the "
            f"{'largest' if which == 'LA' else 'smallest'} of {operator.shape[0]} eigenvalues: the Hessian may be too "
            "ill-conditioned for float64; use fewer or narrower layers"
        ) from error
    return float(found[0])
