"""Accuracy on tasks, and what else is judged on data."""
