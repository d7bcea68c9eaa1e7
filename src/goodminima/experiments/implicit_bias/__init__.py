"""The implicit-bias programme: every theorem run against its exact reference, one entry each."""
