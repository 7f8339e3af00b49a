"""Families of models, presets, and loading."""
