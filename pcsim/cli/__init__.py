"""The command line: thin shells over public functions. Importing this module imports nothing."""

COMMANDS = {
    "run": "Run a scenario and write its trace.",
    "compare": "Run a scenario in several precisions, forms and backends, and compare.",
    "check": "Diagnose a scenario without running it.",
    "inspect": "Show the curvature of the energy, and which step sizes are stable.",
    "show": "Print a scenario with every default and override resolved.",
    "schema": "Print the JSON Schema of scenario files, for editors.",
    "scenarios": "List the scenarios that ship.",
    "backends": "List the backends and what each can do here.",
    "replay": "Play a trace in the terminal, or verify it by simulating again.",
    "merge": "Put the parts of a study together.",
    "results": "Show what came of the runs of a study, the best first.",
    "plot": "Draw the layerwise energies of traces.",
    "view": "Show traces as a page that any browser opens.",
    "export": "Write the parameters in a trace to a weights file, or its rows as CSV.",
    "eval": "Evaluate a trained network on its data.",
    "learn": "Compute the local weight update of a trace's final states and errors.",
    "repair": "Make the trace of a killed run readable by any HDF5 tool.",
}


def main() -> None:
    """Run the command line; every error becomes one line and an exit code."""
    import sys

    try:
        from pcsim.cli.call import main as run
    except KeyboardInterrupt:  # in its first moments, before signals are heard
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
    run()
