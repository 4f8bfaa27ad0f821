"""What is simulated: arrays and arithmetic, activations, layers, losses, the network and its energy."""
