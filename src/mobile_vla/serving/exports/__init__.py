"""Trained policies in formats that other programs load."""
