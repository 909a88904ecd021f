"""Transforms on MMEngine's root registry."""
