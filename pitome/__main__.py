"""``python -m pitome`` is the ``pitome`` command."""

from __future__ import annotations

from pitome.cli.main import main

main()
