"""Tasks: a data set and how a model's outputs are judged on it."""
