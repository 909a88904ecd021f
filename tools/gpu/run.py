"""What a step of the GPU check is asked for."""
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Sequence, Tuple, TypeVar

from .journal import Journal

T = TypeVar('T')


@dataclass
class Run:
    """What a step is asked for."""
    step: str
    phase: str
    device: str  # 'cpu' is a rehearsal
    seconds: float
    journal: Path
    share: Tuple[int, int] = (0, 1)
    start: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.report = Journal(self.journal, self.step, self.device)

    @property
    def rehearsed(self) -> bool:
        return self.device == 'cpu'

    @property
    def rounds(self) -> int:
        return 1 if self.rehearsed else 5

    def left(self) -> float:
        """Seconds until the process should have ended."""
        return self.seconds - (time.monotonic() - self.start)

    def mine(self, everything: Sequence[T]) -> List[T]:
        """What falls to this of several processes."""
        index, count = self.share
        return list(everything)[index::count]
