"""The numbers that the core runs on, where those of the library do not do."""
