"""Metrics on MMEngine's root registry."""
