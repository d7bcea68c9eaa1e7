"""How large sets of minima are, beyond what the papers could count."""
