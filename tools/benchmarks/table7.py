"""The paper's Table 7: Conv, DFN and ACDA in Ad-ResNet-s.

    python tools/benchmarks/table7.py [--batch 32] [--quick]

Parameters, peak memory and time of one training iteration. The networks
differ in their adaptive layers only. DFN's filters are checked for size
before they are allocated. The paper's own figures, from other hardware, are
printed beside ours.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from os.path import abspath, dirname

if __name__ == '__main__':
    # Not this folder: its operator.py would hide Python's own.
    sys.path[0] = dirname(dirname(dirname(abspath(__file__))))
    from tools.benchmarks.table7_command import main
    main(__doc__)
