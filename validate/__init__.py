"""Proof: parity of decisions and arithmetic, latency, fidelity, and the report."""
