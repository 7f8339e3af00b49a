"""Latency and memory, measured in shared rounds."""
