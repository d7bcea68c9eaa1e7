"""The implicit-bias programme: each theorem as float64 numerics, its exact reference beside it."""
