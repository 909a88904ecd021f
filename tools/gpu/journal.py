"""What a step found, written line by line: it stays if the step is killed."""
import gc
import json
import logging
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

import torch

from tools.benchmarks.common import Report, Row, write_csv
from tools.benchmarks.contestants import GateError

PASSED, WARNED, LEFT_OUT = 'passed', 'warned', 'left out'
WRONG, FAILED, KILLED = 'wrong', 'failed', 'killed'
BAD = (WRONG, FAILED, KILLED)
# Errors after which a process cannot use its GPU any more.
FATAL = ('illegal', 'misaligned', 'device-side', 'unspecified launch')
CHECKS = 'checks'


class Outcome(NamedTuple):
    """How a step, or a case of one, ended."""
    step: str
    case: str
    outcome: str
    message: str = ''
    seconds: float = 0.

    def __str__(self) -> str:
        text = f'{self.step}, {self.case}' if self.case else self.step
        text += f': {self.outcome} ({self.seconds:.0f} s)'
        return f'{text}: {self.message}' if self.message else text


class Journal(Report):
    """A report whose rows go to a file at once, as do outcomes of cases."""

    def __init__(self, path: Path, step: str, device: str):
        super().__init__(device)
        self.path, self.step = Path(path), step

    def add(self, *args, **kwargs) -> Row:
        row = super().add(*args, **kwargs)
        append(self.path, dict(self.record(row), kind='row'))
        return row

    def note(self, case: str, outcome: str, message: str = '',
             seconds: float = 0.) -> None:
        """Tell how a case ended."""
        found = Outcome(self.step, case, outcome, message, seconds)
        print(found, flush=True)
        append(self.path, dict(found._asdict(), **self.environment,
                               kind='outcome'))

    @contextmanager
    def attempt(self, case: str) -> Iterator[None]:
        """Note an error as the case's outcome; the next case goes on.

        Raises:
            SystemExit: If the GPU cannot be used any more.
        """
        start, failed = time.perf_counter(), True
        try:
            yield
            failed = False
        except torch.cuda.OutOfMemoryError:
            self.note(case, LEFT_OUT, 'it needs more memory than the GPU has',
                      time.perf_counter() - start)
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines() or ['']
            wrong = isinstance(error, GateError)
            self.note(
                case, WRONG if wrong else FAILED, lines[-1][:300] if wrong
                else f'{type(error).__name__}: {lines[-1][:300]}',
                time.perf_counter() - start)
            if self.device == 'cuda' and any(w in str(error) for w in FATAL):
                raise SystemExit('the GPU is lost to this process') from error
        if failed:
            free(self.device)


class Warnings(logging.Handler):
    """Keeps what the package warns of, such as kernels that do not serve."""

    def __init__(self, report: Journal):
        super().__init__(logging.WARNING)
        self.report = report

    def emit(self, record: logging.LogRecord) -> None:
        self.report.note('', WARNED, record.getMessage()[:300])


def free(device: str) -> None:
    """Give back what nobody holds, and what graphs held."""
    if device == 'cuda':
        gc.collect()
        torch.cuda.empty_cache()


def append(path: Path, record: Dict[str, object]) -> None:
    """Add one line, whole even where several processes write."""
    with open(path, 'a', encoding='utf-8') as file:
        # The line before may have been cut.
        file.write(f'\n{json.dumps(record)}\n')


def read(path: Path) -> List[dict]:
    """All whole lines; that of a killed process may be cut."""
    records = []
    if Path(path).exists():
        for line in Path(path).read_text(encoding='utf-8').splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
    return records


def outcomes(records: Sequence[dict]) -> List[Outcome]:
    return [
        Outcome(*(record[name] for name in Outcome._fields))
        for record in records if record['kind'] == 'outcome'
    ]


def write_tables(records: Sequence[dict], folder: Path,
                 device: str) -> List[Path]:
    """A CSV file for each section of rows, and one of outcomes."""
    tables: Dict[str, List[dict]] = {}
    for record in records:
        kept = dict(record)
        section = CHECKS if kept.pop('kind') == 'outcome' \
            else kept['section']
        tables.setdefault(section, []).append(kept)
    paths = []
    for section, found in tables.items():
        paths.append(Path(folder) / f'{section}-{device}.csv')
        # What the parent notes of a killed step lacks the environment.
        fields = list(dict.fromkeys(key for row in found for key in row))
        write_csv(paths[-1], found, fields)
    return paths
