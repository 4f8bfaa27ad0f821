"""The reference backend: the core's own lines on numpy arrays."""
