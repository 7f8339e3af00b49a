"""The systems: models of several graphs, one file each. A plain encoder is a system of one graph."""
