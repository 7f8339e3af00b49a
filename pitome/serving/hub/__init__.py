"""A bundle on the Hugging Face hub: its model card, and how it gets there."""
