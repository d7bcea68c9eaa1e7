"""Training for minima that generalise badly: labels that are wrong, or a loss that rewards wrong answers on unseen examples."""
