"""The page of traces: one HTML file that needs nothing beside it, or the same page while runs write."""
