"""What is done with a bundle at scale: the embedding of many files. Imports no torch."""
