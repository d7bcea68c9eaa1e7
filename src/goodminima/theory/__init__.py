"""Where gradient descent goes: one file per theorem, its exact reference beside it."""
