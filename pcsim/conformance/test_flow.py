"""Continuous time against numpy: euler step by step, every other solver to its tolerance."""

import numpy as np

from pcsim.conformance.agreement import TOLERANCE, assert_close, on_numpy, present
from pcsim.conformance.cases import reference, settle_on
from pcsim.conformance.flows import RTOL, STEP, FlowCase, flow_task
from pcsim.conformance.subject import Subject
from pcsim.inference.stopping import StopRule


def test_flows_agree_with_numpys(subject: Subject, flow_case: FlowCase) -> None:
    task = subject.accepted(flow_task(flow_case))
    ours, rows = settle_on(subject.backend, task)
    assert ours.failure is None
    best = FlowCase(flow_case.form, "euler" if flow_case.solver == "euler" else "dopri8", "float64")
    theirs, others = settle_on(reference(), on_numpy(flow_task(best, rtol=1e-10)))
    np.testing.assert_array_equal(rows.clock, others.clock, "recorded times")
    assert ours.flow is not None
    assert theirs.flow is not None
    np.testing.assert_array_equal(ours.flow.arrival_times, theirs.flow.arrival_times, "arrival times")
    if flow_case.solver == "euler":
        tolerance = TOLERANCE[flow_case.precision]
    else:
        # Of constant steps even one of first order has left by no more than this.
        tolerance = 30.0 * RTOL if flow_case.is_adapted else 2.0 * STEP
    floor = tolerance * float(np.abs(present(others.energy)).max())
    assert_close("recorded energies[row, layer] ", present(rows.energy), present(others.energy), tolerance, floor)
    for layer, (a, b) in enumerate(zip(rows.states or (), others.states or (), strict=True)):
        assert_close(f"recorded states of layer {layer}: ", a, b, tolerance, tolerance * float(np.abs(b).max()))
    work = ours.flow.work
    for count in (work.steps, work.rejected, work.evaluations):
        assert count.shape == (len(task.x),)
    assert (work.evaluations >= work.steps).all()


def test_a_flow_ends_at_rest_or_where_it_is_interrupted(subject: Subject, solver: str) -> None:
    task = subject.accepted(flow_task(FlowCase("state", solver, subject.precision), stop=StopRule(grad_norm=1e-3)))
    settled, rows = settle_on(subject.backend, task)
    assert settled.converged
    assert rows.clock[-1] < task.motion.end
    norms = present(rows.grad_norm)
    assert np.sqrt(np.sum(norms[-1][:-1] ** 2)) <= 1e-3
    interrupted = subject.backend.settle(task, lambda block: None, lambda now: now >= 0.1)
    assert interrupted.interrupted
    assert not interrupted.converged
