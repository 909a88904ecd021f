"""Crowd counting: backbone, density head, counter (paper, Section 4.2)."""
