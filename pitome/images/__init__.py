"""Images as a model wants them, with Pillow and numpy alone: `decoding` reads them, `transform` shapes them.

Imports neither torch nor transformers: production prepares its images with it.
"""
