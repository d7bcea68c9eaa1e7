"""Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020: Understanding generalization through visualizations."""
