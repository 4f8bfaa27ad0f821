"""The numbers that a run comes to in the end, by which runs of a study are compared."""

from pcsim.trace import Trace

MEASURES = tuple(f"{part}_{name}" for part in ("validation", "test", "train") for name in ("accuracy", "loss"))


def outcome_of(trace: Trace) -> dict[str, float]:
    """Return by name, as far as there are any: accuracies and losses of the epoch whose weights are kept, the sum of
    the layers' energies after the last step of inference, and epochs trained.
    """
    found: dict[str, float] = {}
    if trace.status == "complete" and trace.rows and "energy" in trace:
        found["final_energy"] = float(trace.energy[-1].sum())
    if trace.status == "complete" and "epochs_trained" in trace.attributes:
        found["epochs"] = float(trace.attributes["epochs_trained"])
    row = trace.kept_row if trace.status == "complete" and trace.training else None
    for name in MEASURES if row is not None else ():
        if name in trace.training and (value := float(trace.training[name][row])) == value:
            found[name] = value
    return found
