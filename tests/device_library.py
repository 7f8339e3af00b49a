"""Where `make plugin` leaves the library for GPUs."""

from __future__ import annotations

from pitome.plugins.tools import build
from pitome.plugins.tools.merge_library import BUILD

DEVICE_LIBRARY = BUILD / build.DEVICE_LIBRARY
