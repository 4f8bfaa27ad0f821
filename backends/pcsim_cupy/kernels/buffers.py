"""The arrays of a run on the device, and the table that tells kernels where they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.engine.lowering import Motion
from pcsim.model.arrays import Array
from pcsim.typing import NDArray
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.plan import Group, Plan

NUMBERS = ("layers", "batch", "known", "activation_first", "loss", "stepper", "capacity")
REALS = ("share", "step_size", "keep", "keep_squares", "eps", "decay")
UNITS = (
    *("states", "errors", "predictions", "products", "pulled", "weighed", "slopes", "inputs", "bends", "totals"),
    *("first", "second", "points", "lows", "below", "input_lows"),
)
ROWS = ("energies", "squares", "presence")
FIELDS = (
    *(*NUMBERS, *REALS, "table", "scales", "biases", "target", *UNITS, "output_low"),
    *(*ROWS, "clock", "motion"),
)
"""The fields of `Net` in net.cu, in order: eight bytes each."""
BYTES_OF_ROWS = 64 * 2**20
MOST_ROWS = 2048


@dataclass(frozen=True)
class Form:
    """What a method needs: how many layers' predictions never change, and which arrays there are besides the common.

    `keeps` all predictions and slopes, goes `through` the whole network, or carries `increments`; `known` is 0 where
    weights change.
    """

    known: int
    keeps: bool = False
    through: bool = False
    increments: bool = False


def capacity(plan: Plan, batch: int) -> int:
    """Return how many steps' energies the device holds: an even number."""
    rows = BYTES_OF_ROWS // (17 * plan.count * batch)
    return int(max(2, min(MOST_ROWS, rows - rows % 2)))


def unit_sizes(plan: Plan, form: Form, motion: Motion) -> dict[str, int]:
    """Return how many numbers a sample has in every array of units; an array without use has none."""
    weights_first = not plan.activation_first
    used = {
        "states": True,
        "errors": True,
        "products": True,
        "pulled": True,
        "weighed": True,
        "slopes": weights_first,
        "inputs": plan.activation_first,
        "bends": plan.activation_first,
        "totals": form.through or form.increments,
        "first": motion.memories > 0,
        "second": motion.memories > 1,
        "points": form.increments,
        "lows": form.increments,
        "below": form.increments,
        "input_lows": form.increments and plan.activation_first,
    }
    sizes = {name: plan.units if is_used else 0 for name, is_used in used.items()}
    return sizes | {"predictions": plan.units if form.keeps else plan.places[form.known]}


def moving(plan: Plan, form: Form) -> tuple[str, ...]:
    """Return the arrays that a run goes on from: what moves, and what is remembered of it."""
    memory = ("first", "second")
    if form.through:
        return ("errors", *memory)
    shown = ("inputs", "bends") if plan.activation_first else ()
    if not form.increments:
        return ("states", *shown, *memory)
    slopes = shown or ("slopes",)
    return ("states", "errors", *slopes, "points", "lows", "below", "input_lows", "output_low", *memory)


class Buffers:
    """All arrays of a batch by the names of net.cu, as attributes of `arrays`; `net` is what kernels are given."""

    def __init__(self, device: Device, plan: Plan, batch: int, form: Form, motion: Motion) -> None:
        self._device, self._plan, self.batch = device, plan, batch
        dtype = device.storage.dtype
        self.capacity = capacity(plan, batch)
        self.arrays: dict[str, Array] = {
            "table": device.put(plan.table),
            "scales": device.put(plan.scales),
            "biases": device.zeros(max(plan.biases, 1), dtype),
            "x": device.zeros(batch * plan.input_width, dtype),
            "target": device.zeros(batch * plan.widths[-1], dtype),
            "output_low": device.zeros(batch * plan.widths[-1] if form.increments else 1, dtype),
            "clock": device.zeros(2, np.int64),
            "motion": device.zeros(3, np.float64),
        }
        for name, size in unit_sizes(plan, form, motion).items():
            self.arrays[name] = device.zeros(max(batch * size, 1), dtype)
        for name in ROWS:
            shape = (self.capacity, plan.count, batch)
            self.arrays[name] = device.zeros(shape, np.uint8 if name == "presence" else np.float64)
        self.weights = [device.zeros((g.count, g.n_in, g.n_out), dtype) for g in plan.groups]
        self.net = device.put(self._described(form, motion))

    def layers(self, name: str, first: int, count: int = 1) -> Array:
        """Return the (count, batch, units) of equally wide layers in an array of units."""
        start, width = self.batch * self._plan.places[first], self._plan.widths[first]
        part = self.arrays[name][start : start + count * self.batch * width]
        return part.reshape(count, self.batch, width)

    def biases(self, group: Group) -> Array:
        """Return the biases of a group's layers one after another, none if they have none."""
        places = self._plan.bias_places
        return self.arrays["biases"][places[group.first] : places[group.first + group.count]]

    def _described(self, form: Form, motion: Motion) -> NDArray[np.int64]:
        plan = self._plan
        numbers = {
            "layers": plan.count,
            "batch": self.batch,
            "known": form.known,
            "activation_first": int(plan.activation_first),
            "loss": plan.loss,
            "stepper": motion.kind,
            "capacity": self.capacity,
        }
        reals: dict[str, Any] = motion._asdict() | {"share": plan.share}
        words = [numbers[name] for name in NUMBERS]
        words += np.array([reals[name] for name in REALS], np.float64).view(np.int64).tolist()
        words += [self._device.address(self.arrays[name]) for name in FIELDS[len(words) :]]
        return np.array(words, np.int64)
