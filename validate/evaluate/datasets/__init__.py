"""Inputs that need no download of their own."""
