"""From a scenario to its trace: one run, its training, several seeds, several arithmetics."""
