"""Engines on an NVIDIA GPU: checked against PyTorch, measured, and written down in one report.

Nothing here has run on a GPU yet; what needs none is tested in tests/validate/gpu.
"""
