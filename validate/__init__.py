"""Proof: parity of decisions and arithmetic, accuracy and fidelity on tasks, latency, and the report."""
