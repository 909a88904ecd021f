"""What tests and benchmarks share: the cases of the operator."""
