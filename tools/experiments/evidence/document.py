"""The tables of docs/evidence.md, written from the records."""
import os.path as osp
import re
from typing import List

import mmengine.fileio

from .catalogue import Experiment
from .tables import draw, make_table, markdown


def budgets(found: List[dict]) -> List[float]:
    """Lengths of training for which there are records."""
    return sorted({record['budget'] for record in found})


def section(experiment: Experiment, found: List[dict], picture: str) -> str:
    """Tables, notes and picture of one experiment as Markdown.

    Args:
        experiment (Experiment): Which one.
        found (List[dict]): Its records.
        picture (str): Path of the curves, as the document refers to it; empty
            for none.
    """
    parts = []
    for budget in budgets(found):
        these = [r for r in found if r['budget'] == budget]
        command = f'make evidence EXPERIMENT={experiment.name} SEEDS=3'
        if budget != 1:
            command += f' BUDGET={budget:g}'
        table = make_table(experiment, these, budget)
        parts += [f'`{command}` printed', markdown(table)]
    parts += [' '.join(experiment.notes)] if experiment.notes else []
    if picture:
        parts.append(f'![{experiment.title}]({picture})')
    return '\n\n'.join(parts or ['No training has been finished.'])


def replace_section(text: str, name: str, content: str) -> str:
    """Put a section between its two marks.

    Raises:
        ValueError: If the document has no such marks.
    """
    marks = f'<!-- {name} -->', f'<!-- end of {name} -->'
    pattern = f'({re.escape(marks[0])}\n).*?({re.escape(marks[1])})'
    replaced, number = re.subn(
        pattern,
        lambda match: f'{match[1]}\n{content}\n\n{match[2]}',
        text,
        flags=re.DOTALL)
    if number != 1:
        raise ValueError(f'the document must have {marks[0]} and {marks[1]} '
                         f'once, but has them {number} times')
    return replaced


def write_document(path: str, experiment: Experiment,
                   found: List[dict]) -> None:
    """Bring one experiment of a document up to its records.

    The curves go to ``images/evidence-<name>.png`` beside the document, of
    the longest trainings.
    """
    picture = f'images/evidence-{experiment.name}.png'
    folder = osp.dirname(osp.abspath(path))
    drawn = ''
    for budget in budgets(found)[-1:]:
        these = [r for r in found if r['budget'] == budget]
        drawn = draw(experiment, these, osp.join(folder, picture))
    with open(path, encoding='utf-8') as file:
        text = file.read()
    content = section(experiment, found, picture if drawn else '')
    mmengine.fileio.put(
        replace_section(text, experiment.name, content).encode(), path)
