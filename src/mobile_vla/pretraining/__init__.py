"""Pretraining of the small VLMs."""
