#!/usr/bin/env python3
"""Measure what docs/equilibrium.md tells: writes docs/equilibrium-figures.md.

usage: OPENBLAS_NUM_THREADS=1 PCSIM_DATA=FOLDER python -m tools.pages.make_equilibrium_page [--seeds 0 1]
       (MNIST in FOLDER; some minutes, for error optimization takes its time)
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

import pcsim
from pcsim.assemble import Inputs
from pcsim.engine.backend import Equilibria, Settled
from pcsim.runs.minima import with_minima
from pcsim.runs.simulation import Simulation, prepare
from pcsim.scenario import parse_scenario
from pcsim.trace import Block
from tools.studies.pages import DOCS, measured, table

RESIDUAL = 1e-8
SAME = 1e-9
"""Energies of a sample that differ by less belong to one equilibrium."""
PROTOTYPE = {
    "tanh, squared error": 44,
    "tanh, cross-entropy": 19,
    "GELU, squared error": 58,
    "GELU, cross-entropy": 181,
}
"""Evaluations that a first prototype needed, with EO's 340, 400, 1240 and 8020."""
NETWORKS = {
    "tanh, squared error": ("tanh", 1.0, "squared-error"),
    "tanh, cross-entropy": ("tanh", 1.0, "cross-entropy"),
    "GELU, squared error": ("gelu", 2**0.5, "squared-error"),
    "GELU, cross-entropy": ("gelu", 2**0.5, "cross-entropy"),
}
EQUILIBRIUM = 'method = "equilibrium"'
ERROR = 'method = "error"\nstep_size = 0.05\nsteps = 40000'
LEARNED = 6000
EXTREMES = 16
HEADER = (
    "network",
    "seed",
    "evaluations (median)",
    "prototype",
    "EO's, step 0.05",
    "largest residual",
    "energy",
    "same equilibrium",
    "CPU time, share of EO's",
)

PerSample = Float64[NDArray[np.float64], " samples"]


@dataclass(frozen=True)
class Result:
    """Where a run ended, with the energy of every sample and the seconds of CPU it took."""

    settled: Settled
    energy: PerSample
    seconds: float


def text(name: str, seed: int, inference: str, extra: str = "") -> str:
    """Return a scenario on one of the four networks."""
    activation, gain, loss = NETWORKS[name]
    return (
        f"seed = {seed}\n[network]\ninput = 784\nhidden = {{ layers = 19, width = 128 }}\noutput = 10\n"
        f'activation = "{activation}"\ninit = "orthogonal"\ngain = {gain}\n[data]\nname = "mnist"\n[inference]\n'
        f'loss = "{loss}"\n{inference}\n[backend]\nprecision = "float64"\n{extra}'
    )


def settled(simulation: Simulation) -> Result:
    """Run inference alone."""
    last: list[Block] = []
    start = time.process_time()
    end = simulation.backend.settle(simulation.task, last.append, lambda step: False)
    seconds = time.process_time() - start
    rows = last[-1].energy_per_sample
    if rows is None:
        raise TypeError("energies by sample are not recorded")
    return Result(end, rows[-1].sum(axis=0), seconds)


def pair(name: str, seed: int, inputs: Inputs | None = None) -> tuple[Simulation, Result, Result]:
    """Return a search and its simulation, and error optimization down to the same residual."""
    stop = f"stop = {{ grad_norm = {RESIDUAL} }}\n"
    record = '[trace]\nrecord = ["energy_per_sample"]\nevery = { log = 2 }\n'
    simulations = [
        prepare(parse_scenario(text(name, seed, f"{way}\n{stop}", record)), inputs) for way in (EQUILIBRIUM, ERROR)
    ]
    return simulations[0], settled(simulations[0]), settled(simulations[1])


def found(result: Result) -> Equilibria:
    """Return what a search says of its samples."""
    if result.settled.equilibria is None:
        raise TypeError("no search")
    return result.settled.equilibria


def row(name: str, seed: str, prototype: str, fast: Result, slow: Result) -> list[str]:
    """Return a row of the table."""
    mine = found(fast)
    off = fast.energy - slow.energy
    apart = np.abs(off) > SAME
    agreeing = f"{int((~apart).sum())} of {len(off)}"
    if apart.any():
        agreeing += f"; elsewhere {int((off < -SAME).sum())} lower, {int((off > SAME).sum())} higher"
    if not slow.settled.converged:
        agreeing += " (EO did not get there)"
    return [
        name,
        seed,
        f"{mine.evaluations.max()} ({np.median(mine.evaluations):g})",
        prototype,
        f"{slow.settled.steps_taken + 1:,}",
        f"{mine.residual.max():.1e}",
        f"{fast.energy.mean():.9f}, EO's {slow.energy.mean():.9f}",
        agreeing,
        f"{fast.seconds / slow.seconds:.3f}",
    ]


def fresh(seeds: Sequence[int]) -> str:
    """Return the table of the four networks as they are drawn."""
    rows: list[list[str]] = []
    for name in NETWORKS:
        for seed in seeds:
            _, fast, slow = pair(name, seed)
            rows.append(row(name, str(seed), str(PROTOTYPE[name]), fast, slow))
            print(rows[-1], flush=True)
    return table(HEADER, rows)


def trained(seed: int) -> str:
    """Return the table of networks that backpropagation has trained for an epoch, on easy and on hard images."""
    rows: list[list[str]] = []
    for name in NETWORKS:
        learning = '[learning]\nrule = "backprop"\noptimizer = "adam"\nlr = 3e-4\nepochs = 1\nbatch = 64\n'
        scenario = parse_scenario(
            text(name, seed, 'method = "backprop"', learning).replace(
                'name = "mnist"\n', f'name = "mnist"\nsamples = {LEARNED}\nbatch = 1000\n'
            )
        )
        with pcsim.run(scenario) as trace:
            learned = trace.trained
            layers = range(len(trace.layer_names))
            parameters = tuple({k: learned[f"{k}_{i}"].astype(np.float64) for k in ("W", "b")} for i in layers)
            simulation = prepare(parse_scenario(text(name, seed, f"{EQUILIBRIUM}\n")))
            x, y, output = trace.data["x"], trace.data["y"], trace.final_output
        xp = simulation.backend.namespace  # pyright: ignore[reportAttributeAccessIssue]
        order = np.argsort(simulation.task.inference.energy.loss.value(xp, output, y))
        for kind, chosen in (("easy", order[:EXTREMES]), ("hard", order[-EXTREMES:])):
            inputs = Inputs(parameters, x[chosen], y[chosen], "")
            search, fast, slow = pair(name, seed, inputs)
            least = found(replace(fast, settled=with_minima(search.task, fast.settled))).smallest_eigenvalue
            if least is None:
                raise TypeError("no eigenvalues")
            rows.append([*row(f"{name}, {kind}", str(seed), "", fast, slow), f"{least.min():.3f}"])
            print(rows[-1], flush=True)
    return table((*HEADER, "smallest eigenvalue"), rows)


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    seeds = parser.parse_args().seeds
    parts = [
        "# Equilibria: measured figures\n",
        measured("pages/make_equilibrium_page.py"),
        "20 layers of 128, the first 64 images of MNIST, float64 on numpy, residual 1e-8 in every sample.\n",
        "## As drawn\n",
        fresh(seeds),
        f"## TrainingResult by backpropagation on {LEARNED:,} images, {EXTREMES} easiest and hardest of 1,000\n",
        trained(seeds[0]),
    ]
    (DOCS / "equilibrium-figures.md").write_text("\n".join(parts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
