#!/usr/bin/env python3
"""Time the first run of a process on Numba: the benchmark network, from the import of the backend to the last array.

usage: python tools/benchmarks/first.py
Prints seconds.
"""

import time

from workload import make_task

from pcsim.model.activations import Tanh

TASK = make_task(Tanh())


def main() -> None:
    start = time.perf_counter()
    from pcsim_numba import NumbaBackend

    NumbaBackend().settle(TASK, lambda block: None, lambda clock: False)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
