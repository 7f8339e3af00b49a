"""The command line ``pitome``: options in, tables or one JSON document out."""

from __future__ import annotations

from pitome.cli import bundle_commands, plugin, proof_commands, search_commands
from pitome.cli.application import app

__all__ = ["app", "bundle_commands", "main", "plugin", "proof_commands", "search_commands"]


def main() -> None:
    """Entry point of the ``pitome`` command."""
    app()
