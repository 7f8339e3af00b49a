"""What one merge asks of a GPU, counted on the CPU, and the time that datasheets predict for it.

``python -m pitome.plugins.tools.account`` prints it. Nothing here has run on a GPU.
"""
