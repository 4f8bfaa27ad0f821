"""Many calls of one function, by one protocol: here one after another, in processes, or on a cluster."""

from pcsim.jobs.cluster import Cluster
from pcsim.jobs.executor import Executor, Here, Lost, Outcome
from pcsim.jobs.processes import Processes
from pcsim.jobs.threads import blas_pools, one_thread, usable_cores

__all__ = ["Cluster", "Executor", "Here", "Lost", "Outcome", "Processes", "blas_pools", "one_thread", "usable_cores"]
