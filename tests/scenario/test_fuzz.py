"""Whatever a user writes is read, or explained in lines without the jargon of a library."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pcsim.errors import ScenarioError
from pcsim.scenario import parse_scenario, scenario_text
from pcsim.scenario.overrides import parse_overrides
from pcsim.scenario.read import assemble
from pcsim.scenario.sources import make_source
from pcsim.scenario.toml_text import toml_value
from tests.support.scenario_files import TEXT

JARGON = re.compile(
    r"pydantic|validation error|validator|validate|Input should|Traceback|NoneType|_type|Extra inputs|literal",
    re.IGNORECASE,
)
KEYS = [
    "title",
    "seed",
    "network",
    "data",
    "inference",
    "trace",
    "backend",
    "network.widths",
    "network.output",
    "network.output.width",
    "network.hidden",
    "network.hidden.layers",
    "network.init",
    "network.gain",
    "network.skip",
    "network.weights",
    "network.precisions",
    "data.name",
    "data.file",
    "inference.method",
    "inference.form",
    "inference.stop",
    "inference.stop.grad_norm",
    "inference.stop.relative_change",
    "inference.stop.arrival",
    "inference.step_decay",
    "inference.step_halving",
    "inference.optimizer",
    "inference.loss",
    "inference.step_size",
    "inference.solver",
    "inference.t_end",
    "inference.rtol",
    "inference.save_at",
    "inference.save_at.log",
    "inference.noise",
    "learning",
    "learning.rule",
    "learning.optimizer",
    "learning.schedule",
    "learning.schedule.kind",
    "learning.schedule.every",
    "learning.seeds",
    "learning.clip",
    "trace.record",
    "trace.every",
    "trace.every.log",
    "backend.name",
    "backend.precision",
    "backend.precision.bits",
    "zzz",
    "network.zzz",
]
odd = st.recursive(
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["", "error", "normal", "mupc", "npz", "sigmoid", "adam", "soft", "{", "exact", "heun", "\n"])
    | st.sampled_from(["backprop", "incremental", "cosine", "step"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["log", "bits", "width", "kind", "every", "x y"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYS), odd), max_size=4))
def test_whatever_is_written_is_read_or_explained(pairs: list[tuple[str, Any]]):
    overrides = parse_overrides([f"{key}={toml_value(value)}" for key, value in pairs])
    read = partial(assemble, [make_source(TEXT, "s.toml", Path())], overrides, [])
    lines = problem_lines(read)
    assert not any("\n" in line or JARGON.search(line) for line in lines)
    if not lines:
        scenario = read()
        assert parse_scenario(scenario_text(scenario)) == scenario


def problem_lines(read: Callable[[], object]) -> list[str]:
    try:
        read()
    except ScenarioError as error:
        return error.problems
    return []


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(TEXT)), st.integers(0, 12), st.text("[]{}=\"'\\#., \n\t1aé\x00", max_size=6))
def test_damaged_files_are_explained_with_a_position(start: int, length: int, inserted: str):
    text = TEXT[:start] + inserted + TEXT[start + length :]
    lines = problem_lines(lambda: parse_scenario(text))
    assert all(re.match(r"scenario:\d+:\d+: \S", line) for line in lines)
    assert not any("\n" in line or JARGON.search(line) for line in lines)
