"""What several devices cannot share in training, said before anything starts."""

from pcsim.assemble.training_setup import TrainingSetup
from pcsim.engine.backend import Capabilities
from pcsim.engine.registry import others_that
from pcsim.errors import UsageError
from pcsim.model.statistics import normalises
from pcsim.scenario import Scenario
from pcsim.words import count


def require_shares(scenario: Scenario, setup: TrainingSetup, able: Capabilities) -> None:
    """Raise `UsageError` where the devices that a scenario asks for are not there, or cannot share its batches."""
    devices, learner = scenario.backend.devices, setup.task.learner
    if devices == 1:
        return
    here, name = scenario.where("backend.devices"), scenario.backend.name
    if able.devices == 0:
        others = " or ".join(others_that(name, lambda other: other.devices > 0))
        way = f", or use the backend {others}" if others else ""
        raise UsageError(f"{here}: the backend '{name}' trains on one device; remove it{way}")
    if devices > able.devices:
        raise UsageError(
            f"{here}: {devices} devices, but the backend '{name}' has {able.devices} here, {able.device}; use "
            f"{able.devices} or fewer, or add some as docs/scaling.md tells"
        )
    if normalises(learner.inference.energy.network):
        raise UsageError(
            f"{here}: norms take the statistics of a whole batch, which {devices} devices would have to exchange in "
            "every layer; remove it, or train a network without norms"
        )
    # Samples that search rest once they are there: each device may stop when its own are.
    if learner.stop is not None and not learner.inference.traits.searches:
        raise UsageError(
            f"{scenario.where('inference.stop')}: the whole batch decides when to stop, and {devices} devices would "
            "have to agree after every step; remove it, or backend.devices"
        )
    batch, samples = setup.plan.batch, len(setup.samples.train.x)
    if batch % devices:
        raise UsageError(
            f"{scenario.where('learning.batch')}: {devices} devices cannot share {count(batch, 'sample')} evenly; "
            f"{_fitting(batch, devices, samples)}"
        )


def _fitting(batch: int, devices: int, samples: int) -> str:
    """Return the nearest batches that devices can share, in words."""
    less, more = batch // devices * devices, -(-batch // devices) * devices
    found = [str(size) for size in (less, more) if 0 < size <= samples]
    return f"use {' or '.join(found)}" if found else f"there are {samples} training samples: use fewer devices"
