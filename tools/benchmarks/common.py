"""Interleaved timing, statistics, and the rows that are printed and kept."""
import csv
import os
import platform
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import (Callable, Dict, List, Mapping, NamedTuple, Optional,
                    Sequence)

import numpy as np
import torch

import mmacda
from mmacda.io import whole_file

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'benchmarks' / 'results'
# A timed call repeats a quick function until it takes this long.
SECONDS_PER_CALL = 0.02
# Functions slower than this are not called once more before a timed call.
SECONDS_WITHOUT_WARM_UP = 0.3


class Quartiles(NamedTuple):
    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values) -> 'Quartiles':
        lower, median, upper = np.percentile(values, (25, 50, 75))
        return cls(float(median), float(lower), float(upper))


class Row(NamedTuple):
    """A measured figure; a ratio where there is a rival."""
    section: str
    case: str
    measure: str
    contestant: str
    rival: str
    median: float
    lower: float
    upper: float
    unit: str
    goal: Optional[float] = None
    dtype: str = ''

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ''
        return 'met' if self.median <= self.goal else 'not met'

    def __str__(self) -> str:
        name = f'{self.contestant} / {self.rival}' if self.rival \
            else self.contestant
        text = (f'{self.case:<26} {self.dtype:<9}{self.measure:<22} '
                f'{name:<19} '
                f'{self.median:9.4g} {self.unit:<3} '
                f'[{self.lower:.4g}, {self.upper:.4g}]')
        if self.goal is not None:
            text += f'  goal {self.goal:.3g}: {self.verdict}'
        return text


def environment(device: str) -> Dict[str, object]:
    """Versions, threads and hardware of this run."""
    name = torch.cuda.get_device_name() if device == 'cuda' else cpu_model()
    software = {}
    if device == 'cuda':
        software = dict(
            cuda=torch.version.cuda or torch.version.hip,
            cudnn=torch.backends.cudnn.version(),
            triton=version('triton') if find_spec('triton') else 'none')
    return dict(
        date=time.strftime('%Y-%m-%d'),
        mmacda=mmacda.__version__,
        torch=torch.__version__,
        **software,
        python=platform.python_version(),
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        device=f'{device} ({name})')


def cpu_model() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            for line in file:
                if line.startswith('model name'):
                    return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def write_csv(path: Path, records: Sequence[Dict[str, object]],
              fields: Sequence[str]) -> None:
    """Write a table; of floating-point numbers six digits."""
    with whole_file(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, fields, lineterminator='\n')
        writer.writeheader()
        for record in records:
            writer.writerow({
                key: f'{value:.6g}' if isinstance(value, float) else value
                for key, value in record.items()
            })


def prepare_gpu() -> None:
    """The same for everybody: no TensorFloat-32, convolutions tuned."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


class Report:
    """Prints rows as they come and writes a CSV file for each section."""

    def __init__(self, device: str, folder: Path = RESULTS):
        self.device, self.folder = device, Path(folder)
        self.environment = environment(device)
        self.dtype = 'float32'  # of the rows to come
        self.rows: List[Row] = []
        print(
            ', '.join(f'{k} {v}' for k, v in self.environment.items()),
            flush=True)

    def add(self, *args, **kwargs) -> Row:
        row = Row(*args, **kwargs)
        self.rows.append(row._replace(dtype=row.dtype or self.dtype))
        print(self.rows[-1], flush=True)
        return self.rows[-1]

    def add_ratio(self,
                  section: str,
                  case: str,
                  measure: str,
                  times: Dict[str, np.ndarray],
                  contestant: str,
                  rival: str,
                  goal: Optional[float] = None) -> Row:
        """Ratio of two contestants, taken in every round."""
        ratios = Quartiles.of(times[contestant] / times[rival])
        return self.add(section, case, measure, contestant, rival, *ratios,
                        'x', goal)

    def add_times(self, section: str, case: str, measure: str,
                  times: Dict[str, np.ndarray]) -> None:
        for name, seconds in times.items():
            self.add(section, case, measure, name, '',
                     *Quartiles.of(1e3 * seconds), 'ms')

    def record(self, row: Row) -> Dict[str, object]:
        """A row as it is kept: with its verdict and this run's environment."""
        return dict(row._asdict(), met=row.verdict, **self.environment)

    def write(self, section: str) -> Path:
        """The section's rows with this run's environment."""
        path = self.folder / f'{section}-{self.device}.csv'
        write_csv(path, [
            self.record(row) for row in self.rows if row.section == section
        ], [*Row._fields, 'met', *self.environment])
        return path

    def summary(self) -> str:
        judged = [row for row in self.rows if row.goal is not None]
        met = sum(row.verdict == 'met' for row in judged)
        return f'{met} of {len(judged)} goals met'


def time_interleaved(functions: Mapping[str, Callable], rounds: int,
                     device: str) -> Dict[str, np.ndarray]:
    """Seconds of every function in every round: A B C, A B C, ...

    A quick function is called several times in a row, the first of them
    untimed, so that the one before it does not decide what is in cache.
    """

    def clock() -> float:
        if device == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter()

    calls = {}
    for name, function in functions.items():
        function()
        start = clock()
        function()
        seconds = clock() - start
        calls[name] = seconds, max(1, round(SECONDS_PER_CALL / seconds))
    times: Dict[str, List[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            seconds, count = calls[name]
            if seconds < SECONDS_WITHOUT_WARM_UP:
                function()
            start = clock()
            for _ in range(count):
                function()
            times[name].append((clock() - start) / count)
    return {name: np.array(values) for name, values in times.items()}
