"""The ways to give a network's sizes become two: `widths`, or `input` and `layers`.

`input`, `hidden` and `output` are widths, a named `architecture` is a list of layers.
"""

from typing import Any

from pydantic import ValidationError

from pcsim.scenario.architectures import layers_of
from pcsim.scenario.explain import explain
from pcsim.scenario.fields import allowed_by
from pcsim.scenario.locate import KeyPath
from pcsim.scenario.network import Named, NetworkTable, Sizes
from pcsim.scenario.syntax import dotted
from pcsim.scenario.tree import Problem, Tree

_OUTPUT = ("network", "output")
_WIDTHS = ("network", "widths")
_ARCHITECTURE = ("network", "architecture")
_INPUT = ("network", "input")
OF_DATA = "data"
"""As the size of the input: that of a sample."""
SAMPLE_SIZES = {
    "digits": 64,
    "mnist": 784,
    "fashion-mnist": 784,
    "emnist": 784,
    "svhn": 3072,
    "cifar-10": 3072,
    "cifar-100": 3072,
    "mnist1d": 40,
    "gaussian-line": 1,
}
"""Numbers in a sample, of data sets that are always the same."""


def split_output(network: dict[str, Any]) -> None:
    """Tell the two meanings of `output` apart, a size and an activation, so that they can be merged."""
    output = network.get("output")
    if isinstance(output, str):
        network["output"] = {"activation": output}
    elif isinstance(output, int) and not isinstance(output, bool):
        network["output"] = {"width": output}


def replace_sizes(tree: Tree, network: dict[str, Any]) -> None:
    """Let the way in which a newer `network` table gives the sizes replace the other way in the tree."""
    if "architecture" in network and tree.get(_ARCHITECTURE) is not None:
        return
    ways = {"widths": ("input", "hidden"), "layers": (), "architecture": (), "built": ("input",)}
    for way, others in ways.items():
        if way in network:
            for key in {"widths", "layers", "architecture", "built", "width", "statistics", "hidden", *others} - {way}:
                tree.remove(("network", key))
            tree.remove(_OUTPUT if way == "built" else (*_OUTPUT, "width"))
            if tree.get(_OUTPUT) == {}:
                tree.remove(_OUTPUT)
            return
    if any(tree.get(("network", way)) is not None for way in ("layers", "architecture", "built")):
        if "hidden" in network:
            for key in ("layers", "architecture", "built", "width", "statistics"):
                tree.remove(("network", key))
    elif "input" in network or "hidden" in network or _holds(network.get("output"), "width"):
        _split_widths(tree)


def _split_widths(tree: Tree) -> None:
    """Put input, hidden and output in the place of widths whose hidden ones are equal; remove other widths."""
    network, place = tree.table("network"), tree.place(_WIDTHS)
    widths = network.pop("widths", None)
    if not isinstance(widths, list) or len(widths) < 3 or len(set(map(repr, widths[1:-1]))) > 1:
        return
    hidden = {"layers": len(widths) - 2, "width": widths[1]}
    sizes = {"input": widths[0], "hidden": hidden, "output": {"width": widths[-1]}}
    tree.overlay({"network": sizes}, lambda path: place)


def named_words(tree: Tree) -> dict[str, Any] | None:
    """Return the words of a named architecture, None where there is none."""
    network = tree.table("network")
    return (
        None if "architecture" not in network else {key: network[key] for key in Named.model_fields if key in network}
    )


def resolve_sizes(tree: Tree, told: frozenset[KeyPath]) -> list[Problem]:
    """Put widths in the place of input, hidden and output; return the mistakes made in the sizes.

    Keys in `told` are missing for a reason that has been reported.
    """
    network = tree.table("network")
    if not network:
        return []
    if any(key in network for key in ("architecture", "width", "statistics")):
        return _set_layers(tree, network)
    for way, others in (("built", ("widths", "hidden", "layers", "input")), ("layers", ("widths", "hidden"))):
        if way in network:
            return _only(tree, network, way, others)
    output = network.pop("output", None)
    sizes = {key: network[key] for key in ("input", "hidden") if key in network}
    if _holds(output, "width"):
        sizes["output"] = output["width"]
    elif sizes and output is not None and not isinstance(output, dict):
        sizes["output"] = output
        output = None
    problems = _set_input(tree, sizes)
    problems += [] if problems else _set_widths(tree, network, sizes, told)
    for key in ("input", "hidden", "output"):
        network.pop(key, None)
    if not isinstance(output, dict):
        network |= {} if output is None else {"output": output}
    elif "activation" in output:
        network["output"] = output["activation"]
        tree.places[_OUTPUT] = tree.place((*_OUTPUT, "activation"))
    return problems


def _set_input(tree: Tree, sizes: dict[str, Any]) -> list[Problem]:
    """Put the size of a sample in the place of `input = "data"`; return the mistake of data without a known one."""
    if sizes.get("input") != OF_DATA:
        return []
    name = tree.get(("data", "name"))
    if isinstance(name, str) and name in SAMPLE_SIZES:
        sizes["input"] = SAMPLE_SIZES[name]
        return []
    place = tree.newest(_INPUT)
    text = (
        f'network.input = "{OF_DATA}" takes the size of a sample, which is known of {", ".join(SAMPLE_SIZES)}; '
        "give a number for other data"
    )
    return [Problem(place, f"{place.key_label()}: {text}")]


def _only(tree: Tree, network: dict[str, Any], way: str, others: tuple[str, ...]) -> list[Problem]:
    """Return the mistakes of giving the sizes in one way and by other keys too."""
    problems: list[Problem] = []
    for key in others:
        if key in network:
            place = tree.newest(("network", key))
            text = f"network.{key} and network.{way} both give the sizes; keep one of the two ways"
            problems.append(Problem(place, f"{place.key_label()}: {text}"))
            del network[key]
    output = network.get("output")
    if isinstance(output, dict):
        place = tree.newest(_OUTPUT)
        text = f"network.output does not go with {way}; the last layer is the output"
        problems.append(Problem(place, f"{place.key_label()}: {text}"))
        del network["output"]
    return problems


def _set_layers(tree: Tree, network: dict[str, Any]) -> list[Problem]:
    """Put the list of layers in the place of an architecture; return the mistakes made in its words."""
    output = network.pop("output", None)
    given = {key: network.pop(key) for key in Named.model_fields if key in network}
    if isinstance(output, dict):
        given["output"] = output
    if "architecture" not in given and "layers" in network:
        key = next(key for key in given if key != "output")
        place = tree.newest(("network", key))
        text = f"network.{key} goes with a named architecture, and the layers are listed; change the list"
        return [Problem(place, f"{place.key_label()}: {text}, or give an architecture")]
    both = next((key for key in ("widths", "layers", "hidden", "built") if key in network), None)
    if both is not None:
        place = tree.newest(("network", both))
        text = f"network.{both} and network.architecture both give the sizes; keep one of the two ways"
        return [Problem(place, f"{place.key_label()}: {text}")]
    try:
        named = Named.model_validate(given)
    except ValidationError as error:
        network |= {key: value for key, value in given.items() if key != "output"}
        network |= {} if output is None else {"output": output}
        found = explain(error, tree, Named, ("network",))
        for key in Named.model_fields:
            network.pop(key, None)
        return found
    if "statistics" in given and named.architecture != "resnet-18":
        place = tree.newest(("network", "statistics"))
        text = f"network.statistics is of norms, and {named.architecture} has none; remove it, or take resnet-18"
        return [Problem(place, f"{place.key_label()}: {text}")]
    layers = layers_of(named)
    network["layers"] = layers
    if named.architecture == "resnet-18":
        network.setdefault("activation", "relu")
    tree.places[("network", "layers")] = tree.newest(_ARCHITECTURE)
    return []


def _set_widths(tree: Tree, network: dict[str, Any], sizes: dict[str, Any], told: frozenset[KeyPath]) -> list[Problem]:
    if not sizes:
        if "widths" in network or _WIDTHS in told:
            return []
        place = tree.place(("network",))
        advice = (
            f"give {allowed_by(NetworkTable.model_fields['widths']).phrase}, or input, hidden and output, or layers"
        )
        return [Problem(place, f"{place.key_label()}: network.widths is missing; {advice}")]
    if "widths" in network:
        place = tree.newest(_WIDTHS)
        both = f"network.widths and network.{next(iter(sizes))} both give the sizes; keep one of the two ways"
        return [Problem(place, f"{place.key_label()}: {both}")]
    if "output" in sizes:
        network["output"] = sizes["output"]
        tree.places[_OUTPUT] = tree.place((*_OUTPUT, "width"))
    try:
        network["widths"] = Sizes.model_validate(sizes).widths
    except ValidationError as error:
        absent = [("network", name) for name in Sizes.model_fields if name not in sizes]
        found = explain(error, tree, Sizes, ("network",), told.union(absent))
        return found + [_absent(path, sizes, tree) for path in absent if path not in told]
    tree.places[_WIDTHS] = tree.newest(("network", "hidden"))
    return []


def _absent(path: KeyPath, sizes: dict[str, Any], tree: Tree) -> Problem:
    given = [tree.place(("network", name)) for name in sizes]
    place = max(given, key=lambda place: place.order)
    return Problem(place, f"{place.key_label()}: {dotted(path)} is missing; give input, hidden and output, or widths")


def _holds(value: Any, key: str) -> bool:
    return isinstance(value, dict) and key in value
