"""The table of what was replaced in a model."""
from dataclasses import dataclass, field
from typing import List, Optional

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class ConvRecord:
    """What happened to one convolution.

    Attributes:
        name (str): Dotted name; the first one where a module is shared.
        conv (str): Its channels, kernel size and groups.
        reason (str, optional): Why it was skipped.
        energy (float, optional): Share of its filters' squared norm that the
            warm start keeps.
    """
    name: str
    conv: str
    reason: Optional[str] = None
    energy: Optional[float] = None


@dataclass
class ReplaceReport:
    """What ``replace_convs`` replaced, and what it skipped and why.

    ``str(report)`` is a table.
    """
    replaced: List[ConvRecord] = field(default_factory=list)
    skipped: List[ConvRecord] = field(default_factory=list)

    def __str__(self) -> str:
        title = (f'{len(self.replaced)} convolutions replaced, '
                 f'{len(self.skipped)} skipped')
        table = Table(title=title, box=box.ASCII2)
        for column in ('name', 'convolution', 'result'):
            table.add_column(column, no_wrap=True)
        for record in self.replaced:
            kept = '' if record.energy is None else \
                f', {record.energy:.2%} of the energy kept'
            table.add_row(record.name, record.conv, 'replaced' + kept)
        for record in self.skipped:
            table.add_row(record.name, record.conv,
                          f'skipped: {record.reason}')
        console = Console(width=200)
        with console.capture() as capture:
            console.print(table)
        return capture.get()
