"""The C++ plugin's sources, and the tools that build and account for it."""
