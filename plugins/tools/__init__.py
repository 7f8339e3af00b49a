"""Toolchain, account, and the C interface through ctypes."""
