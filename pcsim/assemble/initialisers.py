"""From a scenario's words to what draws the weights of every layer."""

from pcsim.model import initialisers
from pcsim.model.initialisers import Initialiser
from pcsim.scenario import Scenario
from pcsim.scenario.layers import LayerTable, expanded
from pcsim.scenario.network import GAINS, NetworkTable


def build_initialisers(scenario: Scenario, layers: int) -> tuple[Initialiser, ...]:
    """Return what draws the parameters of every one of so many layers, in order."""
    table = scenario.network
    if table.parametrisation != "standard" and table.built is None:
        return (initialisers.Normal(1.0),) * layers
    if table.layers is None:
        return (_initialiser(table, table.init),) * layers
    return tuple(
        _initialiser(table, table.init)
        if entry.words is None or entry.words.init is None
        else _initialiser(entry.words, entry.words.init)
        for entry in expanded(table.layers)
    )


def _initialiser(table: NetworkTable | LayerTable, word: str) -> Initialiser:
    match word:
        case "normal":
            return initialisers.Normal(_given(table.std))
        case "uniform":
            return initialisers.Uniform(_given(table.low), _given(table.high))
        case _:
            return initialiser_of(word, table.gain)


def initialiser_of(word: str, gain: float | None = None) -> Initialiser:
    """Return an initialiser that needs no more than its word, with the gain that is usual if None."""
    kind, _, law = word.partition("-")
    if kind == "pytorch":
        return initialisers.PyTorch()
    gain = GAINS[kind] if gain is None else gain
    if kind == "orthogonal":
        return initialisers.Orthogonal(gain)
    return (initialisers.Kaiming if kind == "kaiming" else initialisers.Xavier)(law in ("", "uniform"), gain)


def _given(value: float | None) -> float:
    """Return a value that reading the scenario has made sure of."""
    if value is None:
        raise AssertionError("the scenario was read without the value its initialiser needs")
    return value
