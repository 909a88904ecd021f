"""How commands end: one sentence and an exit code, or a traceback."""
import subprocess
import sys
import textwrap

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.optim import LinearLR
from mmengine.registry import MODELS
from torch.utils.data import DataLoader

from mmacda.apis.command_line import CommandParser, UsageError, run_command
from mmacda.apis.read_config import ConfigError
from mmacda.apis.run_command import sentence
from mmacda.layers import ACDAConv
from tests import fresh


@pytest.fixture
def run(capsys):
    """Run a command; its exit code and lines on the standard error."""

    def call(command):
        parser = CommandParser('A tool.')
        parser.prog = 'tool.py'
        with pytest.raises(SystemExit) as stop:
            run_command(parser, command, parser.parse_args([]))
        return stop.value.code, capsys.readouterr().err.strip()

    return call


def raising(error):

    def command(args):
        raise error

    return command


@pytest.mark.parametrize('error, code, said', [
    (UsageError('--a needs --b'), 2, '--a needs --b'),
    (ConfigError('x.py has no model'), 2, 'x.py has no model'),
    (FileNotFoundError(2, 'No such file', 'a.png'), 1, 'a.png: No such file'),
    (FileNotFoundError('there is no a.png'), 1, 'there is no a.png'),
    (ImportError('pip install timm'), 1, 'pip install timm'),
    (ValueError('two\n  lines'), 1, 'two lines'),
    (MemoryError(), 1, 'there is not enough memory: take smaller pieces'),
])
def test_what_can_be_mended_is_one_sentence(run, error, code, said):
    assert run(raising(error)) == (code, f'tool.py: error: {said}')


def test_what_the_library_says_is_a_sentence(run):
    code, said = run(lambda args: ACDAConv(3, 3, 2))
    assert code == 1 and said.startswith('tool.py: error: ')
    assert '\n' not in said and 'odd' in said


@pytest.mark.parametrize('config, said', [
    (dict(type='NoSuchModel'), 'NoSuchModel is not in'),
    (dict(type='ACDALeNet', num_clases=3), 'num_clases'),
    (dict(type='ACDAConv', in_channels=3, out_channels=3, kernel_size=3,
          atom_generator=dict(norm_cfg=dict(type='BNN'))), 'BNN'),
])
def test_what_a_config_asks_for_in_vain_is_misuse(run, config, said):
    code, text = run(lambda args: MODELS.build(config))
    assert code == 2 and said in text and '\n' not in text


def test_an_entry_that_a_config_lacks_is_named(run):
    code, said = run(lambda args: Config(dict(model={})).model.backbone)
    assert (code, said) == (
        2, 'tool.py: error: the config has no entry backbone')


def test_a_data_set_without_samples_is_named(run, tmp_path):
    """MMEngine's own words are those of numpy."""
    (tmp_path / 'list.json').write_text(
        '{"metainfo": {}, "data_list": []}', encoding='utf-8')
    code, said = run(lambda args: BaseDataset(
        ann_file='list.json', data_root=str(tmp_path)))
    assert code in (1, 2) and said.startswith(
        'tool.py: error: the data set BaseDataset has no sample: nothing fits '
        f"data_root='{tmp_path}', ")


def test_an_epoch_without_steps_is_told():
    with pytest.raises(AssertionError) as error:
        LinearLR.build_iter_from_epoch(None, end=2, epoch_length=0)
    assert 'fewer training samples than' in sentence(error.value)


@pytest.mark.parametrize('error', [
    AttributeError('a bug'), ZeroDivisionError(), AssertionError('a bug'),
    KeyError('a bug')])
def test_bugs_keep_their_traceback(error):
    parser = CommandParser('A tool.')
    with pytest.raises(type(error)):
        somebody_else = dict(error=error)
        exec('def command(args): raise error', somebody_else)
        run_command(parser, somebody_else['command'], parser.parse_args([]))


def test_an_error_of_a_training_step_keeps_its_traceback(run):
    def run_iter():
        torch.zeros(2).reshape(3)

    def value_error():
        int('x')

    parser = CommandParser('A tool.')
    with pytest.raises(RuntimeError):
        run_command(parser, lambda args: run_iter(), parser.parse_args([]))
    steps = {'value_error': value_error}
    exec('def train_step(args): value_error()', steps)
    with pytest.raises(ValueError):
        run_command(parser, steps['train_step'], parser.parse_args([]))


@pytest.mark.parametrize('name', ['stdout', 'stderr'])
def test_streams_may_be_closed(monkeypatch, name):
    """As by ``>&-``: Python then has None in their place."""
    monkeypatch.setattr('sys.' + name, None)
    parser = CommandParser('A tool.')
    args = parser.parse_args([])
    run_command(parser, lambda args: print('result'), args)
    with pytest.raises(SystemExit) as stop:
        run_command(parser, raising(ValueError('wrong')), args)
    assert stop.value.code == 1


def test_tracebacks_can_be_asked_for(monkeypatch):
    monkeypatch.setenv('MMACDA_TRACEBACK', '1')
    parser = CommandParser('A tool.')
    with pytest.raises(ValueError, match='wrong'):
        run_command(parser, raising(ValueError('wrong')),
                    parser.parse_args([]))
    monkeypatch.setenv('MMACDA_TRACEBACK', '0')
    with pytest.raises(SystemExit):
        run_command(parser, raising(ValueError('wrong')),
                    parser.parse_args([]))


class Broken(torch.utils.data.Dataset):

    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise FileNotFoundError(2, 'No such file', 'lost.png')


def test_a_worker_s_traceback_is_left_out(run):
    code, said = run(lambda args: list(DataLoader(Broken(), num_workers=1)))
    assert code == 1 and said.startswith('tool.py: error: ')
    assert said.endswith("lost.png'") and 'Traceback' not in said


SCRIPT = """
from mmacda.apis.command_line import CommandParser, run_command
def command(args):
{body}
run_command(CommandParser('A tool.'), command)
"""


def script(body):
    return SCRIPT.format(body=textwrap.indent(body, '    '))


def test_a_package_is_named_as_it_is_called():
    done = fresh.run('-m', 'tools.experiments.evidence', '--seeds', '0')
    assert done.returncode == 2
    assert done.stderr.startswith(
        'python -m tools.experiments.evidence: error: --seeds must be')


def test_ctrl_c_is_one_line_and_130():
    # A shell's background job inherits that the signal is ignored.
    done = fresh.run('-c', script(
        'import os, signal, time\n'
        'signal.signal(signal.SIGINT, signal.default_int_handler)'
        '\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)'))
    assert done.returncode == 130
    assert done.stderr.strip() == '-c: stopped by Ctrl-C'


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c',
         script('for n in range(100_000): print(n)')],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == '0\n'
    process.stdout.close()
    assert process.stderr.read() == ''
    assert process.wait() == 141
