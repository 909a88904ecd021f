"""Pictures: what the layer does and what came out."""
