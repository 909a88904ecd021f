"""Times the operator beside what it has to reach.

    python tools/benchmarks/operator.py [--models] [--quick] [--device cuda]

Every backend is first compared with the definition; nothing is timed on a
wrong result. Contestants take turns and ratios are taken in every round.
Rows go to benchmarks/results, with the versions, threads and device.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from os.path import abspath, dirname

if __name__ == '__main__':
    # Not this folder: its operator.py would hide Python's own.
    sys.path[0] = dirname(dirname(dirname(abspath(__file__))))
    from tools.benchmarks.operator_command import main
    main(__doc__)
