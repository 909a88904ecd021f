"""Restoration: super-resolution and denoising (paper, Section 4.3)."""
