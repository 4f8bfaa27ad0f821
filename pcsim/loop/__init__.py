"""The host's side of a run: what is looked at after every step or at every recorded time, and when it ends."""

from pcsim.loop.descent import clamp, final_arrays, settle
from pcsim.loop.failure import divergence
from pcsim.loop.flow import Integrator, Reached, settle_flow

__all__ = ["Integrator", "Reached", "clamp", "divergence", "final_arrays", "settle", "settle_flow"]
