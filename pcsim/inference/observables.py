"""What is read off an evaluation on its way to a trace, as pure functions of arrays."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.inference import Inference
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Evaluation, States
from pcsim.typing import NDArray


@runtime_checkable
class Watched(Protocol):
    """What decides what there is to see: a `Task`, or what a backend compiles of one."""

    @property
    def inference(self) -> Inference: ...
    @property
    def record(self) -> frozenset[str]: ...


class Observation(NamedTuple):
    """A row of a trace, in the type of the run unless said.

    `layerwise` energies (layers, batch) in the wide type; `present` says for every layer whether any unit of any sample
    has a non-zero error; the others are there if recorded.
    """

    layerwise: Array
    present: tuple[Array, ...]
    norms: Array | None
    states: States | None
    errors: States | None


class Final(NamedTuple):
    """What a run keeps of its end: states (the output's among them), errors, output ŷ, the weight gradient if asked."""

    states: States
    errors: States
    output: Array
    gradient: tuple[Parameters, ...] | None


def observe(xp: Namespace, task: Watched, clamped: Clamped, point: Evaluation) -> Observation:
    """Return what the task asks to know at this point."""
    layerwise = task.inference.energy.layerwise(xp, clamped, point)
    return Observation(
        layerwise,
        _present(xp, layerwise, point),
        gradient_norms(xp, point) if "grad_norm" in task.record else None,
        point.states if "states" in task.record else None,
        point.errors if "errors" in task.record else None,
    )


def finish(xp: Namespace, task: Watched, clamped: Clamped, point: Evaluation) -> Final:
    """Return what the task keeps of its last point."""
    energy = task.inference.energy
    wanted = "weight_gradient" in task.record
    return Final(
        (*point.states, energy.loss.output_state(xp, point.output, clamped.y)),
        point.errors,
        point.output,
        energy.parameter_gradient(xp, clamped, point) if wanted else None,
    )


def _present(xp: Namespace, layerwise: Array, point: Evaluation) -> tuple[Array, ...]:
    """Tell the layers with a signal: by their energies where no square can underflow in a type so much wider.

    Where there are top-down predictions, theirs are among the energies.
    """
    errors = point.errors
    output = xp.any(errors[-1])
    narrow = errors[-1].dtype.itemsize < layerwise.dtype.itemsize
    if point.downward and not narrow:
        rows = xp.max(layerwise, axis=1)[:-1] != 0
        return (*(rows[i] | xp.any(error) for i, error in enumerate(errors[:-1])), output)
    # Without its last row, that of the loss, the array can be empty.
    hidden = xp.max(layerwise, axis=1)[:-1] != 0 if narrow else map(xp.any, errors[:-1])
    return (*hidden, output)


def on_host(final: Final, to_host: Callable[[Array], NDArray[Any]]) -> dict[str, Any]:
    """Return what a run keeps of its end as the arrays of `pcsim.engine.backend.Settled`."""
    return {
        "states": tuple(map(to_host, final.states)),
        "errors": tuple(map(to_host, final.errors)),
        "output": to_host(final.output),
        "gradient": final.gradient and tuple({k: to_host(v) for k, v in layer.items()} for layer in final.gradient),
    }


def gradient_norms(xp: Namespace, point: Evaluation) -> Shaped[Array, "layers batch"]:
    """Return ‖∂E/∂z_i‖ of every moving variable and sample in the wide type; the last row is ‖∂ℓ/∂ŷ‖."""
    return xp.sqrt(xp.stack([xp.sum_of_squares(g) for g in (*point.gradient, point.errors[-1])]))
