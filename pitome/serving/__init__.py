"""Bundles at work beyond one process: many files, and the hub."""
