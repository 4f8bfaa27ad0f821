#!/usr/bin/env python3
"""Measure what docs/mupc.md tells: writes docs/mupc-figures.md and docs/figures/mupc-signal.png.

usage: PCSIM_DATA=FOLDER python -m tools.pages.make_mupc_page [--depth H[:UPDATES]]... [--as-it-stands]

Needs pcsim[jax] and MNIST; a quarter of an hour on two cores. Every run is kept in docs/runs, so that it can be broken
off, and depths can be added: --depth 128 trains 128 hidden layers for an epoch in every way, for days on a CPU,
--depth 128:30 for 30 updates. With --as-it-stands no depth that is added is trained: the page has what is kept of it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import pcsim
from pcsim.report.plotting import save
from pcsim.scenario import read_scenario, scenario_text
from tools.studies.pages import DOCS, measured, table
from tools.studies.trials import KEPT, LAST_LOSSES, Trial, accuracy, kept_outcome, outcomes

SCENARIO = "mupc-128"
ADAM_EPS = 1e-8
STANDARD, DOUBLE, INCREMENT, REFERENCE = "float32", "float64", "float32, increment form", "float64, increment form"
WAYS: Mapping[str, tuple[str, ...]] = {
    STANDARD: (),
    DOUBLE: ("backend.precision=float64",),
    INCREMENT: ("inference.form=increment",),
}
SCALED = ("inference.form=increment", "learning.scale=per-layer")
TRUE = ("inference.form=increment", "backend.precision=float64")
COLOURS = {STANDARD: "#D55E00", DOUBLE: "#0072B2", INCREMENT: "#009E73"}
SIZES = {STANDARD: 10, DOUBLE: 7, INCREMENT: 4}
"""Of marks, so that those which agree are all seen."""
SIGNAL_DEPTHS = (8, 16, 32)
UPDATES: Mapping[int, int | None] = {8: 300}
"""Updates of the depths that are trained by default, None for an epoch: what two cores do in minutes."""
EPOCH_OF = 8


def deep(depth: int, updates: int | None = None) -> list[str]:
    """Return what it takes to have so many hidden layers, as many steps of inference, and so many updates."""
    return [*_network(depth, updates), f"inference.steps={depth}"]


def backpropagated(depth: int, updates: int | None = None) -> list[str]:
    """Return what it takes to train the same network by backpropagation, which has no steps."""
    return [*_network(depth, updates), "inference.method=backprop"]


def _network(depth: int, updates: int | None) -> list[str]:
    layers = f"network.hidden.layers={depth}"
    return [layers] if updates is None else [layers, f"data.samples={64 * updates}"]


def signal(depth: int) -> dict[str, Any]:
    """Return every weight matrix's gradient at the start: its true size, and each way's size and cosine to it."""
    path = KEPT / f"signal-{depth}.json"
    said = scenario_text(_at_the_start(depth, ()))
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("scenario") != said:
        true = _gradients(depth, TRUE)
        found = dict[str, Any](scenario=said, true=[_rms(g) for g in true])
        for way, overrides in WAYS.items():
            pairs = list(zip(_gradients(depth, overrides), true, strict=True))
            found[way] = dict[str, Any](size=[_rms(g) for g, _ in pairs], cosine=[_cosine(*pair) for pair in pairs])
        path.write_text(json.dumps(found), encoding="utf-8")
        print(SCENARIO, f"{depth} hidden layers: gradients at the start", flush=True)
    return found


def _at_the_start(depth: int, overrides: Sequence[str]) -> Any:
    words = [*deep(depth), f"trace.every={depth}", 'trace.record=["energy", "weight_gradient"]', *overrides]
    return read_scenario(SCENARIO, words).model_copy(update={"learning": None})


def _gradients(depth: int, overrides: Sequence[str]) -> list[Any]:
    with pcsim.run(_at_the_start(depth, overrides)) as trace:
        return [np.asarray(trace.gradient[f"W_{i}"], dtype=np.float64) for i in range(depth + 1)]


def _rms(values: Any) -> float:
    size = float(np.abs(values).max())
    return size and size * float(np.sqrt(np.mean((values / size) ** 2)))


def _cosine(ours: Any, true: Any) -> float | None:
    """Return the cosine of two gradients, None where one is zero; entries are brought into range first."""
    if not (ours.any() and true.any()):
        return None
    a, b = (values / np.abs(values).max() for values in (ours, true))
    return float(np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def signal_table(depth: int) -> str:
    """Return a table of gradients at the start."""
    found = signal(depth)
    rows: list[list[str]] = []
    for i in reversed(range(depth + 1)):
        cosines = [found[way]["cosine"][i] for way in WAYS]
        row = [f"{c:.4f}" if c is not None else "no gradient" for c in cosines]
        rows.append([_layer(i, depth), f"{found['true'][i]:.1e}", *row])
    return table(["layer", "RMS entry of its gradient", *(f"cosine in {way}" for way in WAYS)], rows)


def _layer(i: int, depth: int) -> str:
    return "output" if i == depth else f"layer {i}"


def whole_epoch() -> str:
    """Return a table of an epoch of the shallowest network, and of backpropagation in it."""
    rows = [
        [way, accuracy(found), f"{np.mean(found[0]['loss']):.4f}"]
        for way, found in (
            ("µPC, float32", outcomes(SCENARIO, deep(EPOCH_OF), (0,))),
            ("backpropagation", outcomes(SCENARIO, backpropagated(EPOCH_OF), (0,))),
        )
    ]
    return table(
        [f"{EPOCH_OF} hidden layers, 937 updates", "test accuracy, %", f"loss of the last {LAST_LOSSES} updates"], rows
    )


def accuracies(plan: Mapping[int, int | None], *, as_it_stands: bool) -> str:
    """Return a table of test accuracies after training in every way, and of backpropagation."""
    ways = {**WAYS, "float32, increment form, per layer": SCALED}
    rows: list[list[str]] = []
    for way in (*ways, "backpropagation"):
        cells: list[str] = []
        for depth, updates in plan.items():
            words = [*deep(depth, updates), *ways[way]] if way in ways else backpropagated(depth, updates)
            if as_it_stands and depth not in UPDATES and kept_outcome(Trial(SCENARIO, tuple(words))) is None:
                cells += ["not measured", "–"]
                continue
            found = outcomes(SCENARIO, words, (0,))
            cells += [accuracy(found), f"{np.mean(found[0]['loss'][-10:]):.4f}"]
        rows.append([way, *cells])
    header = ["µPC"]
    for depth, updates in plan.items():
        header += [f"{_course(depth, updates)}: test accuracy, %", "loss of the last 10"]
    return table(header, rows)


def _course(depth: int, updates: int | None) -> str:
    return f"{depth} hidden layers, " + ("an epoch" if updates is None else f"{updates} updates")


def moved_table(depth: int, updates: int | None) -> str:
    """Return a table of how far training moved the weights of every layer."""
    moved = {way: _moved(depth, updates, WAYS[way]) for way in WAYS} | {
        "float32, increment form, per layer": _moved(depth, updates, SCALED)
    }
    rows = [
        [_layer(i, depth), *(f"{values[i]:.1e}" if values[i] else "0" for values in moved.values())]
        for i in reversed(range(depth + 1))
    ]
    return table([f"‖ΔW‖/‖W‖, {_course(depth, updates)}", *moved], rows)


def _moved(depth: int, updates: int | None, overrides: Sequence[str]) -> list[float]:
    return outcomes(SCENARIO, [*deep(depth, updates), *overrides], (0,))[0]["moved"]


def draw(depths: Sequence[int], plan: Mapping[int, int | None]) -> Figure:
    """Draw gradients at the start by layer, filled where their direction is right, and how far weights moved."""
    figure = Figure(figsize=(4.2 * len(depths), 7.2), layout="constrained")
    panels = figure.subplots(2, len(depths), squeeze=False)
    for column, depth in zip(panels.T, depths, strict=True):
        layers, found = np.arange(depth + 1), signal(depth)
        top, bottom = column
        top.plot(layers, np.maximum(found["true"], 1e-60), color="0.6", linewidth=3, label=REFERENCE)
        for way, colour in COLOURS.items():
            size = np.array(found[way]["size"])
            right = np.array([c is not None and c > 0.9 for c in found[way]["cosine"]])
            there = size > 0
            top.plot(layers[there & right], size[there & right], "o", color=colour, markersize=SIZES[way], label=way)
            top.plot(
                layers[there & ~right], size[there & ~right], "o", color=colour, markersize=SIZES[way], fillstyle="none"
            )
        top.axhline(ADAM_EPS, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
        top.annotate("ε of Adam", (0, ADAM_EPS), fontsize=8, va="bottom")
        top.set_yscale("log")
        top.set_ylim(1e-40, 1e-2)
        top.set_title(f"{depth} hidden layers, at the start", fontsize=9)
        for way, colour in COLOURS.items() if depth in plan else ():
            moved = np.array(_moved(depth, plan[depth], WAYS[way]))
            bottom.plot(layers[moved > 0], moved[moved > 0], "o-", color=colour, linewidth=1, markersize=SIZES[way])
        bottom.set_yscale("log")
        bottom.set_ylim(1e-18, 1e2)
        bottom.set_title(f"after {_course(depth, plan.get(depth)).partition(', ')[2]}", fontsize=9)
        bottom.set_visible(depth in plan)
        bottom.set_xlabel("layer")
        for axes in column:
            axes.grid(alpha=0.2)
    panels[0][0].set_ylabel("RMS entry of the weight gradient")
    panels[1][0].set_ylabel("‖ΔW‖/‖W‖")
    panels[0][-1].legend(fontsize=8)
    return figure


def _whole(plan: Mapping[int, int | None], *, as_it_stands: bool) -> dict[int, int | None]:
    """Return the depths to compare layer by layer: all, or where depths stand as they are those known in every way."""
    found = dict(plan)
    for depth, updates in plan.items() if as_it_stands else ():
        trials = [Trial(SCENARIO, (*deep(depth, updates), *words)) for words in (*WAYS.values(), SCALED)]
        if depth not in UPDATES and any(kept_outcome(trial) is None for trial in trials):
            del found[depth]
    return found


def _asked(text: str) -> tuple[int, int | None]:
    """Return depth and updates of H or H:UPDATES; ValueError for another text, as argparse wants."""
    depth, colon, updates = text.partition(":")
    return int(depth), int(updates) if colon else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what docs/mupc.md tells.")
    parser.add_argument(
        "--depth", type=_asked, action="append", default=[], help="train H hidden layers, too: an epoch, or H:UPDATES"
    )
    parser.add_argument("--as-it-stands", action="store_true", help="train no added depth: write what is known of it")
    given = parser.parse_args()
    plan = dict(sorted({**UPDATES, **dict(given.depth)}.items()))
    whole = _whole(plan, as_it_stands=given.as_it_stands)
    learned = accuracies(plan, as_it_stands=given.as_it_stands)
    depths = sorted({*SIGNAL_DEPTHS, *whole})
    starts = "\n".join(f"### {depth} hidden layers\n\n{signal_table(depth)}" for depth in depths)
    moves = "\n".join(moved_table(depth, updates) for depth, updates in whole.items())
    page = (
        "# µPC: measured figures\n\n"
        + measured("pages/make_mupc_page.py")
        + "\n`mupc-128` with fewer hidden layers of 512: MNIST, ReLU, λ = 0.0078 (β = 0.5), as many steps as hidden "
        "layers, Adam with 0.1, batch 64, one seed.\n"
        + f"\n## An epoch\n\n{whole_epoch()}"
        + f"\n## Some updates\n\n{learned}"
        + f"\n## Gradients at the start\n\nAgainst the increment form in float64.\n\n{starts}"
        + f"\n## How far training moved the weights\n\n{moves}"
    )
    save(draw(depths, whole), DOCS / "figures" / "mupc-signal.png", force=True)
    (DOCS / "mupc-figures.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
