"""Decisions and arithmetic against PyTorch."""
