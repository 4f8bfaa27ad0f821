"""EO training by hand in PyTorch: a process in an environment of its own that answers requests, one line each.

A request is JSON: {"prepare": NAME, "file": NPZ, "layers": …, "steps": T, "step_size": λ, "rate": α} makes an update
ready, takes it once and returns the layers' energies after it; {"time": NAME} takes one more and returns seconds. The
file holds x, y and parameters by layer and name: 0.W, 0.b, 1.W, …; kernels are (k, k, c_in, c_out), images have
channels last, and a dense layer flattens in that order.
"""

# PyTorch is not installed where this file is checked.
# pyright: basic, reportMissingImports=false

import json
import sys
import time

import numpy as np
import torch
from torch.nn import functional

ACTIVATIONS = {"gelu": functional.gelu, "linear": lambda p: p}


class Update:
    """A network in training on one batch."""

    def __init__(self, request):
        given = np.load(request["file"])
        self.layers, self.steps, self.step_size = request["layers"], request["steps"], request["step_size"]
        self.weights = [{} for _ in self.layers]
        for name in given.files:
            if name[0].isdigit():
                number, key = name.split(".")
                array = torch.from_numpy(given[name].astype(np.float32))
                array = array.permute(3, 2, 0, 1) if array.ndim == 4 else array.T if array.ndim == 2 else array
                trained = key.lstrip("S") not in ("mean", "variance")
                self.weights[int(number)][key] = array.contiguous().requires_grad_(trained)
        learned = [w for own in self.weights for w in own.values() if w.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=request["rate"])
        self.x = torch.from_numpy(given["x"].astype(np.float32)).permute(0, 3, 1, 2).contiguous()
        self.y = torch.from_numpy(given["y"].astype(np.float32))

    def layer(self, i, read, held):
        """Return the prediction of layer i; statistics of norms are looked at and noted where none are held yet."""
        layer, own, total = self.layers[i], self.weights[i], 0.0
        for branch in layer["branches"]:
            prefix, s = branch["prefix"], read(branch["source"])
            if "conv" in branch:
                _, stride, padding = branch["conv"]
                s = functional.conv2d(s, own[prefix + "W"], own.get(prefix + "b"), stride, padding)
            elif branch["dense"]:
                s = s.permute(0, 2, 3, 1).flatten(1) if s.ndim == 4 else s
                s = functional.linear(s, own[prefix + "W"], own.get(prefix + "b"))
            if branch["norm"]:
                if (i, prefix) not in held:
                    variance, mean = torch.var_mean(s, (0, 2, 3), correction=0)
                    held[i, prefix] = mean, variance
                s = functional.batch_norm(s, *held[i, prefix], own[prefix + "gamma"], own[prefix + "beta"], eps=1e-5)
            total = s + total
        made = ACTIVATIONS[layer["activation"]](total)
        if "pool" in layer:
            made = (functional.max_pool2d if layer["largest"] else functional.avg_pool2d)(made, layer["pool"])
        return made

    def states(self, held, errors=None):
        """Return all states, moved by errors where there are any."""
        states = []
        for i in range(len(self.layers)):
            made = self.layer(i, lambda j: self.x if j < 0 else states[j], held)
            states.append(made if errors is None or i == len(self.layers) - 1 else made + errors[i])
        return states

    def loss(self, output):
        """Return every sample's cross-entropy."""
        return -(self.y * functional.log_softmax(output, 1)).sum(1)

    def take(self):
        """Take an update; return the batch means of the layers' energies before the weights move."""
        held = {}
        with torch.no_grad():
            errors = [torch.zeros_like(s).requires_grad_() for s in self.states(held)[:-1]]
        for w in (w for own in self.weights for w in own.values()):
            w.requires_grad_(False)
        for _ in range(self.steps):
            energy = self.loss(self.states(held, errors)[-1]).sum() + sum(0.5 * e.square().sum() for e in errors)
            for error, slope in zip(errors, torch.autograd.grad(energy, errors), strict=True):
                error.data -= self.step_size * slope
        for group in self.optimizer.param_groups:
            for w in group["params"]:
                w.requires_grad_(True)
        states, energies = [], []
        for i in range(len(self.layers)):
            made = self.layer(i, lambda j: self.x if j < 0 else states[j], held)
            last = i == len(self.layers) - 1
            states.append(made.detach() if last else made.detach() + errors[i].detach())
            energies.append(self.loss(made).sum() if last else 0.5 * (states[i] - made).square().sum())
        self.optimizer.zero_grad()
        (torch.stack(energies).sum() / len(self.x)).backward()
        self.optimizer.step()
        return [energy.item() / len(self.x) for energy in energies]


def main():
    """Answer requests until there are no more."""
    updates = {}
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            update = updates[request["prepare"]] = Update(request)
            threads = f"{torch.get_num_threads()} threads"
            reply = {"energy": update.take(), "versions": f"torch {torch.__version__}, {threads}"}
        else:
            start = time.perf_counter()
            updates[request["time"]].take()
            reply = {"seconds": time.perf_counter() - start}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
