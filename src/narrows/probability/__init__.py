"""Distributions of samples given codes, and of codes."""
