"""A small sweep for tests: four runs."""

TEXT = """
title = "A small sweep"
[network]
widths = [64, 16, 16, 10]
activation = "tanh"
[data]
name = "digits"
batch = 4
[inference]
method = "state"
loss = "squared-error"
steps = 6
step_size = 0.1
[sweep]
inference = [{ method = "state" }, { method = "error", steps = 3 }]
network.hidden.width = [8, 12]
"""
