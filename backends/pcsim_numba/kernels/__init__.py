"""What is compiled for the processor: layers, steps and passes over rows of numbers."""
