"""A process in which JAX has several devices: trains as its arguments say, and keeps what became of it.

usage: python -m tests.support.on_devices SCENARIO [TRACE OVERRIDES]…   (overrides of a run in one word)

`TRACE.txt` is what XLA has made of the updates of a run: a program for each size of batch.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pcsim_jax import training
from pcsim_jax.compiled import Compiler

import pcsim


def main(scenario: str, *runs: str) -> None:
    prepare, programs = Compiler.prepare, dict[Any, str]()

    def noting(self: Compiler, function: Callable[..., Any], program: Any, *arguments: Any) -> Any:
        executable: Any = prepare(self, function, program, *arguments)
        if function is training.update:
            programs[executable] = executable.as_text()
        return executable

    Compiler.prepare = noting
    for trace, overrides in zip(runs[::2], runs[1::2], strict=True):
        programs.clear()
        pcsim.run(scenario, overrides.split(), path=trace).close()
        Path(f"{trace}.txt").write_text("\n".join(programs.values()))


if __name__ == "__main__":
    main(*sys.argv[1:])
