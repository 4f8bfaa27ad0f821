"""The vector field of one sample as SciPy's solvers take it: a function of a flat vector, and its Jacobian."""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64

from pcsim.inference import VectorField
from pcsim.model.arrays import Namespace, Parameters
from pcsim.typing import NDArray
from pcsim_numpy.ode.structure import Structure

ROOT_EPSILON = float(np.sqrt(np.finfo(np.float64).eps))
NUMBERS_AT_ONCE = 2**22
"""How many numbers of perturbed vectors are evaluated together (32 MiB)."""


Vector: TypeAlias = Float64[NDArray[np.float64], " size"]
Vectors: TypeAlias = Float64[NDArray[np.float64], "rows size"]


class SampleField:
    """dz/dt of one sample; `evaluations` counts all, `times` holds those asked for since it was last cleared."""

    def __init__(
        self,
        xp: Namespace,
        field: VectorField,
        structure: Structure,
        parameters: tuple[Parameters, ...],
        x: NDArray[np.float64],
        y: NDArray[np.float64],
    ) -> None:
        self._xp, self._field, self._parameters, self._x, self._y = xp, field, parameters, x, y
        self.structure = structure
        self.clamped = field.clamp(xp, parameters, x, y)
        self.evaluations = 0
        self.times: set[float] = set()

    def __call__(self, time: float, vector: Vector) -> Vector:
        """Return the velocity in a fresh vector; it does not depend on time."""
        self.evaluations += 1
        self.times.add(float(time))
        velocity = self._field.velocity(self._xp, self.clamped, self.structure.split(vector[None]))
        return np.asarray(self.structure.join(np, velocity, vector[None])[0])

    def speed(self, velocity: Vector) -> float:
        """Return the norm of the gradient over all variables that have one of their own."""
        return float(np.linalg.norm(velocity[self.structure.units_with_gradient]))

    def velocities(self, vectors: Vectors) -> Vectors:
        """Return the velocities of many vectors of this sample at once."""
        rows = len(vectors)
        self.evaluations += rows
        clamped = self._field.clamp(
            self._xp, self._parameters, np.repeat(self._x, rows, axis=0), np.repeat(self._y, rows, axis=0)
        )
        velocity = self._field.velocity(self._xp, clamped, self.structure.split(vectors))
        return np.asarray(self.structure.join(np, velocity, vectors), dtype=np.float64)


class Pattern:
    """Where a structure's Jacobian has entries, column by column; all samples share one."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        rows: list[NDArray[np.int32]] = []
        counts: list[int] = []
        for place in sorted(structure.places, key=lambda p: p.start):
            blocks = sorted((r.start, r.stop) for r, c in structure.blocks if c == place)
            column = np.concatenate([np.arange(*block, dtype=np.int32) for block in blocks])
            rows += [column] * (place.stop - place.start)
            counts += [len(column)] * (place.stop - place.start)
        self.rows = np.concatenate(rows)
        self.ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self.columns = np.repeat(np.arange(structure.size, dtype=np.int32), counts)


class Jacobian:
    """The Jacobian of a sample's field by forward differences, a group of columns at a time."""

    # SciPy's own differences step in proportion to a variable, or to atol where it is zero: a signal that has not
    # arrived then has a derivative of zero. The field's variables are of order one, and so is the step here.

    def __init__(self, field: SampleField, pattern: Pattern | None) -> None:
        self._field, self._pattern = field, pattern

    def __call__(self, time: float, vector: Vector) -> Any:
        """Return a sparse matrix where there is a pattern, a dense one otherwise."""
        step = vector + ROOT_EPSILON * np.maximum(1.0, np.abs(vector)) - vector
        base = self._field(time, vector)
        if self._pattern is None:
            changes = self._changes(vector, base, step, np.arange(vector.size))
            return np.ascontiguousarray((changes / step[:, None]).T)
        from scipy.sparse import csc_matrix

        pattern, groups = self._pattern, self._pattern.structure.groups
        changes = self._changes(vector, base, step, groups)
        data = changes[groups[pattern.columns], pattern.rows] / step[pattern.columns]
        return csc_matrix((data, pattern.rows, pattern.ends), shape=(vector.size, vector.size))

    def _changes(
        self,
        vector: Vector,
        base: Vector,
        step: Vector,
        groups: NDArray[np.intp],
    ) -> Float64[NDArray[np.float64], "groups size"]:
        """Return how the velocity changes when all columns of a group take their step."""
        count = int(groups.max()) + 1
        changes = np.empty((count, vector.size))
        chunk = max(16, NUMBERS_AT_ONCE // vector.size)
        for first in range(0, count, chunk):
            last = min(first + chunk, count)
            perturbed = np.tile(vector, (last - first, 1))
            (columns,) = np.nonzero((groups >= first) & (groups < last))
            perturbed[groups[columns] - first, columns] += step[columns]
            changes[first:last] = self._field.velocities(perturbed) - base
        return changes
