"""The decay of the signal in continuous time: the flow beside SO at equal λt, and what hides its front."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

import pcsim
from pcsim.report.plotting import save
from pcsim.theory.signal import log_poisson_profile
from tools.studies.pages import DOCS, table
from tools.studies.work_precision import Values

TIMES = (0.4, 0.8, 1.6, 3.2, 6.4)
STEP_SIZES = (0.2, 0.1, 0.05, 0.025, 0.0125)
SEEN = (0, 4, 8, 12, 16, 18)
"""Layers that the tables show."""
LONG = 1000.0


def flow(times: Sequence[float], *changes: str, backend: str = "jax") -> Values:
    """Return the energies of the scenario gradient-flow at these times, with some keys changed."""
    scenario = pcsim.read_scenario("gradient-flow", [f"inference.save_at={list(times)}", *changes], backend=backend)
    with pcsim.run(scenario) as trace:
        return trace.energy


def descent(step_size: float, t_end: float) -> Values:
    """Return the energies of SO in the increment form, one row a step."""
    steps = round(t_end / step_size)
    changes = ["inference.form=increment", "backend.precision=float64", f"inference.step_size={step_size}"]
    with pcsim.run(pcsim.read_scenario("signal-decay", [*changes, f"inference.steps={steps}"])) as trace:
        return trace.energy


def decay_tables(reference: Values, runs: dict[float, Values]) -> str:
    """Return the flow beside Poisson's profile, and SO beside the flow at equal λt."""
    distance = np.arange(reference.shape[1] - 1, -1, -1)
    poisson = np.exp(2 * log_poisson_profile(np.array(TIMES)[:, None], distance))
    scale = output_energy()
    rows = [
        [name_of(k), *(f"{reference[t, k]:.1e} ({scale * poisson[t, k]:.0e})" for t in range(len(TIMES)))]
        for k in range(reference.shape[1] - 1)
    ]
    page = (
        "\n## Gradient flow: energy by layer, and in brackets Poisson's profile\n\n"
        + table(["layer", *(f"τ = {t:g}" for t in TIMES)], rows)
        + "\n## SO at equal λt: its error divided by the flow's\n\nRoots of the ratio of energies; 0 is exact. "
        + arrival(runs[0.1])
    )
    for t, time in enumerate(TIMES):
        if time in (0.4, 1.6, 6.4):
            ratios = {size: np.sqrt(energy[round(time / size)] / reference[t]) for size, energy in runs.items()}
            rows = [[name_of(k), *(f"{ratios[size][k]:.2g}" for size in runs)] for k in SEEN]
            page += table([f"τ = {time:g}", *(f"λ = {size:g}" for size in runs)], rows) + "\n"
    return page


def arrival(energy: Values) -> str:
    """Return what SO at λ = 0.1 and the flow have in layer 0 when SO arrives there, in words."""
    step = int(np.argmax(energy[:, 0] > 0))
    ours, flowing = energy[step, 0], flow([0.1 * step], f"inference.t_end={0.1 * step}")[0, 0]
    return (
        f"SO at λ = 0.1 reaches layer 0 at step {step} (λt = {0.1 * step:g}) with an energy of {ours:.1e}; the flow's "
        f"is {flowing:.1e} there, its error {np.sqrt(flowing / ours):.1e} times as large.\n\n"
    )


def name_of(layer: int) -> str:
    return f"layer {layer}"


def output_energy() -> float:
    """Return ½‖∂ℓ/∂ŷ‖² at the start, as the gradient norm of the output has it."""
    with pcsim.run(pcsim.read_scenario("signal-decay", ["inference.steps=0", "backend.precision=float64"])) as trace:
        assert trace.grad_norm is not None
        return 0.5 * float(trace.grad_norm[0, -1]) ** 2


def front_table(reference: Values) -> str:
    """Return how many layers are wrong in either form, with usual tolerances and with the scenario's."""
    standard, default = "inference.form=standard", "inference.atol=1e-9"
    single = ["backend.precision=float32", "inference.rtol=1e-5"]
    cases: list[tuple[str, str, list[str]]] = [
        ("increment, dopri8, atol 1e-60", "jax", []),
        ("increment, dopri8, atol 1e-9", "jax", [default]),
        ("increment, tsit5, atol 1e-9", "jax", [default, "inference.solver=tsit5"]),
        ("increment, kvaerno5, atol 1e-9", "jax", [default, "inference.solver=kvaerno5"]),
        ("increment, dopri8, atol 1e-60", "numpy", []),
        ("increment, dopri8, atol 1e-9", "numpy", [default]),
        ("increment, lsoda, atol 1e-9", "numpy", [default, "inference.solver=lsoda"]),
        ("standard, dopri8, atol 1e-9", "jax", [standard, default]),
        ("standard, dopri8, atol 1e-60", "jax", [standard]),
        ("standard, dopri8, atol 1e-9", "numpy", [standard, default]),
        (
            "standard, float32, tsit5, rtol 1e-5, atol 1e-9",
            "jax",
            [standard, default, *single, "inference.solver=tsit5"],
        ),
        ("increment, float32, tsit5, rtol 1e-5, atol 1e-9", "jax", [default, *single, "inference.solver=tsit5"]),
    ]
    rows: list[list[str]] = []
    for name, backend, changes in cases:
        energy = flow(TIMES, *changes, backend=backend)
        wrong = [np.abs(energy[t] - reference[t]) > 0.01 * reference[t] for t in range(len(TIMES))]
        silent = [int(np.count_nonzero(energy[t] == 0)) for t in range(len(TIMES))]
        rows.append([backend, name, *(f"{np.count_nonzero(w)} ({s})" for w, s in zip(wrong, silent, strict=True))])
    return (
        "\n## What hides the front\n\nHow many of the 20 energies are off by more than 1 %, and in brackets how "
        "many are exactly zero. rtol = 1e-6 and float64 unless said.\n\n"
        + table(["backend", "form and tolerances", *(f"τ = {t:g}" for t in TIMES)], rows)
    )


def long_table(times: Values, energy: Values) -> str:
    """Return when each layer has a share of the error that it has at rest."""
    size = np.sqrt(energy)
    arrived = {share: [times[np.argmax(size[:, k] >= share * size[-1, k])] for k in SEEN] for share in (0.01, 0.1, 0.5)}
    rows = [
        [name_of(k), f"{energy[-1, k]:.1e}", *(f"{arrived[share][j]:.1f}" for share in arrived)]
        for j, k in enumerate(SEEN)
    ]
    return f"\n## Gradient flow: time at which a layer's error first has a share of that at t = {LONG:g}\n\n" + table(
        ["layer", f"energy at t = {LONG:g}", *(f"{share:.0%} of the error" for share in arrived)], rows
    )


def draw_decay(reference: Values, runs: dict[float, Values], times: Values, energy: Values) -> Figure:
    """Return profiles over the layers at three times, and energies over a long time."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    profile, long = figure.subplots(1, 2)
    layers = np.arange(reference.shape[1] - 1)
    poisson = log_poisson_profile(np.array(TIMES)[:, None], layers[::-1] + 1)
    for colour, time in zip(("tab:purple", "tab:green", "tab:orange"), (0.4, 1.6, 6.4), strict=True):
        t = TIMES.index(time)
        profile.semilogy(layers, reference[t, :-1], color=colour, linewidth=1.6, label=f"flow, λt = {time:g}")
        profile.semilogy(layers, output_energy() * np.exp(2 * poisson[t]), color=colour, linewidth=0.9, linestyle=":")
        for size, marker in ((0.1, "o"), (0.0125, "x")):
            row = runs[size][round(time / size), :-1]
            profile.semilogy(layers, np.where(row > 0, row, np.nan), color=colour, marker=marker, ls="", ms=4.5)
    for marker, style, text in (("o", "", "SO, λ = 0.1"), ("x", "", "SO, λ = 0.0125"), ("", ":", "Poisson's profile")):
        profile.plot([], [], color="black", marker=marker, linestyle=style, markersize=4.5, label=text)
    profile.set_xlabel("layer (input to output)")
    profile.set_ylabel("energy")
    profile.set_xticks(range(0, 19, 3))
    profile.legend(fontsize=8, loc="lower right")
    steps = 0.1 * np.arange(1, round(100 / 0.1) + 1)
    long_so = descent(0.1, 100.0)[1:]
    for k, colour in zip(SEEN, ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#d0b010"), strict=True):
        long.loglog(times, energy[:, k], color=colour, linewidth=1.4, label=name_of(k))
        long.loglog(
            steps, np.where(long_so[:, k] > 0, long_so[:, k], np.nan), color=colour, linestyle="--", linewidth=1
        )
    long.plot([], [], color="black", linewidth=1.4, label="flow")
    long.plot([], [], color="black", linewidth=1, linestyle="--", label="SO, λ = 0.1")
    long.set_xlim(0.1, 100)
    long.set_ylim(1e-45, 10)
    long.set_xlabel("time, or λ times steps")
    long.set_ylabel("energy")
    long.legend(fontsize=8, loc="lower right")
    for axes in (profile, long):
        axes.grid(alpha=0.2)
    return figure


def decay() -> str:
    """Measure the flow against SO, draw it, and return its tables."""
    reference = flow(TIMES, "inference.rtol=1e-10")
    runs = {size: descent(size, 6.4) for size in STEP_SIZES}
    times = np.geomspace(0.1, LONG, 200)
    long = flow(times.tolist(), f"inference.t_end={LONG}", "inference.rtol=1e-4")
    save(draw_decay(reference, runs, times, long), DOCS / "figures" / "solvers-gradient-flow.png", force=True)
    return decay_tables(reference, runs) + front_table(reference) + long_table(times, long)
