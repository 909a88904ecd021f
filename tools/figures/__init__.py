"""Figures that explain, each made by a command."""
