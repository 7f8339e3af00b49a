"""The command line ``pitome``: options in, tables or one JSON document out."""

from __future__ import annotations

from pitome.cli import bench, build, compare, engine, export, inspect, models, validate
from pitome.cli.application import app

__all__ = ["app", "bench", "build", "compare", "engine", "export", "inspect", "main", "models", "validate"]


def main() -> None:
    """Entry point of the ``pitome`` command."""
    app()
