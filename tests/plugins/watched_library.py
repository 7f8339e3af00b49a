"""The host build of the plugin library, with what its execution model watches while kernels run."""

from __future__ import annotations

from ctypes import c_char_p

from pitome.plugins.tools.merge_library import HostLibrary


class WatchedLibrary(HostLibrary):
    """Tells of faults and barriers."""

    def __init__(self) -> None:
        super().__init__()
        self.handle.pitome_host_fault.restype = c_char_p
        self.handle.pitome_host_barriers.restype = c_char_p

    def fault(self) -> str:
        """What went wrong in the last kernels, where ``keep_faults`` is on; empty where nothing did."""
        return str(self.handle.pitome_host_fault().decode())

    def keep_faults(self) -> None:
        """Faults end the process unless they are kept."""
        self.handle.pitome_host_keep_faults(1)

    def barriers(self) -> list[str]:
        """Every barrier that a kernel came to so far, as file:line."""
        return str(self.handle.pitome_host_barriers().decode()).split()

    def forget_barriers(self) -> None:
        """Have ``barriers`` begin anew."""
        self.handle.pitome_host_forget_barriers()

    def open_barrier(self, place: str) -> None:
        """Have one barrier hold nobody; an empty text undoes it."""
        self.handle.pitome_host_open_barrier(place.encode())
