"""FabricPC on the benchmark networks: a process in an environment of its own that answers requests, one line each.

A request is JSON: {"prepare": NAME, "file": NPZ, "method": "state" | "error", "steps": T, "step_size": λ} compiles a
run and returns every layer's energies (step, layer); {"time": NAME} runs it once more and returns seconds. The file
holds x, y, W0, b0, W1, …; the network is tanh with softmax and cross-entropy at its output.
"""

# FabricPC is not installed where this file is checked.
# pyright: basic, reportMissingImports=false

import json
import sys
import time
from importlib.metadata import version
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from fabricpc.core.activations import SoftmaxActivation, TanhActivation
from fabricpc.core.energy import CrossEntropyEnergy
from fabricpc.core.inference import InferenceSGD
from fabricpc.core.inference_epc import EPCInference
from fabricpc.core.topology import Edge
from fabricpc.core.types import GraphParams, NodeParams
from fabricpc.graph_assembly import TaskMap, graph
from fabricpc.graph_initialization.state_initializer import initialize_graph_state
from fabricpc.nodes import Linear
from fabricpc.utils.dashboarding.inference_tracking import run_inference_with_history

METHODS = {"state": InferenceSGD, "error": EPCInference}


def make_structure(widths, inference):
    """Return a chain of dense layers: its graph, and the names of the nodes from the input up."""
    nodes = [Linear(shape=(widths[0],), name="input")]
    nodes += [Linear(shape=(n,), name=f"hidden{i}", activation=TanhActivation()) for i, n in enumerate(widths[1:-1])]
    nodes.append(
        Linear(shape=(widths[-1],), name="output", activation=SoftmaxActivation(), energy=CrossEntropyEnergy())
    )
    edges = [Edge(source=a, target=b.slot("in")) for a, b in pairwise(nodes)]
    task = TaskMap(x=nodes[0], y=nodes[-1])
    return graph(nodes=nodes, edges=edges, task_map=task, inference=inference), [node.name for node in nodes]


def prepare(request):
    """Compile a run; return a function that waits for its end, and that of its energies."""
    given = np.load(request["file"])
    count = sum(name.startswith("W") for name in given.files)
    widths = [given["W0"].shape[0], *(given[f"W{i}"].shape[1] for i in range(count))]
    inference = METHODS[request["method"]](eta_infer=request["step_size"], infer_steps=request["steps"])
    structure, names = make_structure(widths, inference)
    nodes = {"input": NodeParams(weights={}, biases={})}
    for i, name in enumerate(names[1:]):
        (edge,) = structure.nodes[name].node_info.in_edges
        weights, bias = jnp.asarray(given[f"W{i}"], jnp.float32), jnp.asarray(given[f"b{i}"], jnp.float32)
        nodes[name] = NodeParams(weights={edge: weights}, biases={"b": bias[None]})
    clamps = {"input": jnp.asarray(given["x"], jnp.float32), "output": jnp.asarray(given["y"], jnp.float32)}
    key = jax.random.PRNGKey(0)

    @jax.jit
    def settle(parameters, clamps):
        start = initialize_graph_state(structure, len(clamps["input"]), key, clamps=clamps, params=parameters)
        final, history = run_inference_with_history(parameters, start, clamps, structure)
        # What is not returned, the history's other columns among it, XLA does not compute.
        states = [final.nodes[name].z_latent for name in names[1:-1]]
        return states, jnp.stack([history[name]["energy"] for name in names[1:]], axis=1)

    def run():
        return jax.block_until_ready(settle(GraphParams(nodes=nodes), clamps))[1]

    return run


def main():
    """Answer requests until there are no more."""
    runs = {}
    # What a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            run = runs[request["prepare"]] = prepare(request)
            reply = {"energy": np.asarray(run(), float).tolist(), "versions": versions()}
        else:
            start = time.perf_counter()
            runs[request["time"]]()
            reply = {"seconds": time.perf_counter() - start}
        print(json.dumps(reply), file=answers, flush=True)


def versions():
    """Return what is installed here."""
    return ", ".join(f"{name} {version(name)}" for name in ("fabricpc", "jax", "jaxlib"))


if __name__ == "__main__":
    main()
