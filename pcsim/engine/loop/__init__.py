"""The host's side of a run: what is looked at after every step or at every recorded time, and when it ends."""

from pcsim.engine.loop.descent import check_draws, settle, settled_arrays, wide_noise
from pcsim.engine.loop.equilibrium import check_equilibrium, expected_evaluations, settle_equilibrium
from pcsim.engine.loop.failure import divergence, looser_or_implicit
from pcsim.engine.loop.flow import Integrator, Reached, check_flow, check_noise, settle_flow

__all__ = [
    "Integrator",
    "Reached",
    "check_draws",
    "check_equilibrium",
    "check_flow",
    "check_noise",
    "divergence",
    "expected_evaluations",
    "looser_or_implicit",
    "settle",
    "settle_equilibrium",
    "settle_flow",
    "settled_arrays",
    "wide_noise",
]
