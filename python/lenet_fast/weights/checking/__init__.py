"""What `check=` and `lenet-fast verify` do: which reading of a file computes a trainer's outputs."""
