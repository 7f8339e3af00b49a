"""Where this checkout lies: the one place that looks for it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
