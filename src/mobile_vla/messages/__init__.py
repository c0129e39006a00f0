"""Reasons and their words; errors that a user is meant to read."""
