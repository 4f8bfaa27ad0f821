"""Run a sweep on workers that Slurm starts one by one, as its queue lets them; results come to one file here.

usage: python cluster.py sweep.toml --workers 32 [-o sweep.h5] [--resume sweep.h5]

Needs pip install 'pcsim[cluster]', here and for the workers: the same Python, in a folder that all machines see. Run it
where it may stay, a login node or a job of its own. Other queues: PBSCluster, SGECluster, … of dask-jobqueue.
"""

import argparse
from pathlib import Path

from dask_jobqueue import SLURMCluster  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

import pcsim


def main() -> None:
    """Read the command line, start workers, and run the sweep on them."""
    parser = argparse.ArgumentParser(description="Run a sweep on workers that Slurm starts.")
    parser.add_argument("scenario")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--resume", type=Path)
    given = parser.parse_args()
    path = None if given.resume else given.output or Path(f"{Path(given.scenario).stem}.h5")
    # One core a worker: pcsim takes one thread for every run of a sweep, and then numbers are the same to the bit.
    with SLURMCluster(cores=1, processes=1, memory="4GB", walltime="04:00:00") as cluster:  # pyright: ignore
        cluster.scale(given.workers)
        with pcsim.run(
            given.scenario, path=path, resume=given.resume, cluster=cluster.scheduler_address, progress=True
        ) as trace:
            print(trace.path)


if __name__ == "__main__":
    main()
