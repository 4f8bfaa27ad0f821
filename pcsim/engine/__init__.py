"""What runs it: what backends promise, where they are found, and the loops that they share."""
