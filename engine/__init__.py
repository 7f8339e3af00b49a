"""The main job as functions: what `make engine`, `make sweep` and the like do, without a command line."""
