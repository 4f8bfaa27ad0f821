"""Small scenarios of listed layers on images."""

HEAD = """\
title = "Images"
seed = 1

[network]
input = [8, 8, 1]
activation = "tanh"
init = "pytorch"
layers = [
"""
REST = """\
]

[data]
name = "digits"
batch = 3

[inference]
method = "state"
loss = "cross-entropy"
steps = 6
step_size = 0.1

[trace]
record = ["energy", "grad_norm", "weight_gradient"]

[backend]
precision = "float64"
"""
PLAIN = """\
    { conv = 3, kernel = 3, stride = 2, padding = 1, activation = "gelu" },
    { conv = 4, kernel = 3, padding = 1, pool = 2 },
    { dense = 10, activation = "linear" },
"""
SHORTCUT = 'add = { back = 2, conv = 4, kernel = 1, stride = 2, norm = "batch" }'
RESIDUAL = f"""\
    {{ conv = 3, kernel = 3, padding = 1, norm = "batch", pool = 2 }},
    {{ conv = 3, kernel = 3, padding = 1, norm = "batch", activation = "gelu" }},
    {{ conv = 3, kernel = 3, padding = 1, norm = "batch", add = 2, activation = "gelu" }},
    {{ conv = 4, kernel = 3, stride = 2, padding = 1 }},
    {{ conv = 4, kernel = 3, padding = 1, pool = "global", {SHORTCUT} }},
    {{ dense = 10, activation = "linear" }},
"""
LEARNING = """\
[learning]
optimizer = "adam"
lr = 1e-2
epochs = 2
batch = 16
"""
WITH_NORMS = HEAD + RESIDUAL + REST
SMALL = HEAD + PLAIN + REST


def named(architecture: str) -> str:
    """Return the small scenario with an architecture in place of its layers, an eighth as wide."""
    network = f'architecture = "{architecture}"\nwidth = 0.125\noutput = 10\ninput = [32, 32, 3]\nactivation = "gelu"\n'
    return SMALL[: SMALL.index("input")] + network + REST.removeprefix("]\n")
