"""The version of the package and of the plugin library: the one place to change it."""

__version__ = "0.1.0"
