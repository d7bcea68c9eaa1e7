"""Few-shot learning: features of base classes, heads on novel ones."""
