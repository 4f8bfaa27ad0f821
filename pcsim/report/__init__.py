"""What is said and drawn of traces: summaries, findings, comparisons, replays, figures."""
