"""Checks the Triton backends on a GPU: right, how fast, beside their goals.

    python -m tools.gpu [--minutes 10] [--steps calls networks]
    python -m tools.gpu --rehearse

Needs PyTorch for CUDA, Triton and this package's own requirements. Nothing is
timed before it was compared with the definition. Every step is a process of
its own with a limit: one that fails or hangs ends alone, and its rows stay.
Rows go to benchmarks/results/*-cuda.csv with the device and the versions, the
table of them to benchmarks/README.md.
"""
import tools.begin  # noqa: F401  before what takes seconds

from .command import main

if __name__ == '__main__':
    main(__doc__)
