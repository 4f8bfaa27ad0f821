#!/usr/bin/env python3
"""Tell whether runs leave the same bits as before: digests of all that a trace measures, on every backend.

usage: python tools/same_bits.py FILE              writes the digests, with the checkout that is installed
       python tools/same_bits.py FILE --compare    says what differs from that file; exit code 1 if anything does

Write the file before a change and compare after it, on the same machine: other processors round differently. Writing
goes on where it stopped. Compared are energies, gradient norms, arrivals, final variables, gradients, what training
measured and left, as numbers: the type in which a trace keeps them does not matter, nor do times.
"""

import argparse
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pcsim
from pcsim.scenario import Scenario
from pcsim.trace import Trace

LEARNING = ("learning.epochs=2", "data.samples=256")
SCENARIOS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("signal-decay", (), ("numpy", "numba", "jax")),
    ("precision-decay", ("inference.form=increment", "backend.precision=float32"), ("numpy", "numba", "jax")),
    ("precision-decay", ("backend.precision=bfloat16",), ("numpy", "jax")),
    (
        "error-optimization",
        ("trace.record=['energy','grad_norm','states','errors','weight_gradient']",),
        ("numpy", "numba", "jax"),
    ),
    ("sequential", ("inference.steps=4",), ("numpy", "numba", "jax")),
    ("mupc-resnet", ("inference.steps=32", "inference.optimizer=momentum"), ("numpy", "numba", "jax")),
    ("fixed-predictions", ("inference.optimizer=adam",), ("numpy", "numba", "jax")),
    ("gradient-flow", ("inference.t_end=1.0", "inference.save_at=[0.1, 0.5, 1.0]"), ("numpy", "numba", "jax")),
    ("equilibrium", ("data.batch=4", "network.hidden.layers=4", "network.hidden.width=32"), ("numpy", "jax")),
    ("train-digits", LEARNING, ("numpy", "numba", "jax")),
    ("deep-local", (*LEARNING, "network.hidden.layers=5"), ("numpy", "numba", "jax")),
    ("seqil-mq", LEARNING, ("numpy", "numba", "jax")),
    ("generate-digits", (*LEARNING, "learning.optimizer=adamw", "inference.steps=10"), ("numpy", "numba", "jax")),
    ("complete-digits", (*LEARNING, "learning.optimizer=sgd"), ("numpy", "jax")),
)
TIMES = ("wall_seconds",)


def measured(trace: Trace) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield all that a run has measured, by name."""
    yield "energy", trace.energy
    yield "arrivals", trace.arrival_steps
    if trace.grad_norm is not None:
        yield "grad_norm", trace.grad_norm
    for kind, arrays in (("states", trace.final_states), ("errors", trace.final_errors)):
        yield from ((f"final {kind} {i}", array) for i, array in enumerate(arrays))
    yield "final output", trace.final_output
    for kind, named in (("gradient", trace.gradient), ("trained", trace.trained), ("equilibria", trace.equilibria)):
        yield from ((f"{kind} {name}", array) for name, array in named.items())
    yield from ((f"training {name}", array) for name, array in trace.training.items() if name not in TIMES)


def digest(array: NDArray[Any]) -> str:
    """Return a digest of numbers, whatever type holds them."""
    return sha256(np.ascontiguousarray(array, dtype=np.float64).tobytes()).hexdigest()[:16]


def runs() -> Iterator[tuple[str, Scenario]]:
    """Yield every scenario on every backend, by a name that says all of it."""
    for name, overrides, backends in SCENARIOS:
        for backend in backends:
            yield " ".join([backend, name, *overrides]), pcsim.read_scenario(name, overrides, backend=backend)


def digests(scenario: Scenario) -> dict[str, str]:
    """Run a scenario and return the digests of what it measured."""
    with pcsim.run(scenario) as trace:
        return {what: digest(array) for what, array in measured(trace)}


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description="Tell whether runs leave the same bits as before.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--compare", action="store_true")
    arguments = parser.parse_args()
    file, differ = arguments.file, 0
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for run, scenario in runs():
        if not arguments.compare:
            if run not in before:
                before[run] = digests(scenario)
                file.write_text(json.dumps(before, indent=1), encoding="utf-8")
            continue
        found = digests(scenario)
        changed = [what for what in {**found, **before[run]} if found.get(what) != before[run].get(what)]
        differ += bool(changed)
        print(f"{'DIFFERS' if changed else 'same   '}  {run}  {', '.join(changed)}".rstrip(), flush=True)
    raise SystemExit(1 if differ else 0)


if __name__ == "__main__":
    main()
