"""Run a graph or plan: one protocol, one file per runtime."""
