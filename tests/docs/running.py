"""Runs the blocks of a page as a reader would, in one folder after another."""
import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from string import Template

import mmengine.registry as registries
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, Registry

from mmacda.apis.load_model import build_model
from tests.docs.blocks import ROOT
from tests.docs.things import THINGS

EXPECTED = re.compile(r'# -> (.*)$')
REGISTRIES = [value for value in vars(registries).values()
              if isinstance(value, Registry)]


def prepare(folder):
    """What a clone has, without the folders that commands write to."""
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    for name in ('tools', 'mmacda', 'benchmarks', 'tests'):
        (folder / name).symlink_to(ROOT / name)
    (folder / 'docs' / 'images').mkdir(parents=True)
    link = folder / 'bin' / 'python'
    link.parent.mkdir()
    link.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -W ignore '
                    '"$@"\n', encoding='utf-8')
    link.chmod(0o755)


class Reader:
    """Works through the blocks of one page, in the current folder.

    Args:
        in_process (bool): Run Python's commands here, where everything is
            imported already.
    """

    def __init__(self, in_process):
        self.in_process = in_process
        self.names = dict(__name__='__main__')
        self.words = {}
        self.variables = {}

    def run(self, block):
        if block.thing:
            found = THINGS[block.thing]()
            self.words.update(
                {k: v for k, v in found.items() if isinstance(v, str)})
            self.names.update(found)
        code = block.code
        for word, value in self.words.items():
            code = re.sub(fr'\b{word}\b', value, code)
        block = block._replace(code=code)
        if block.is_config:
            self.read_config(block)
        elif block.language == 'python':
            self.run_python(block)
        else:
            self.run_shell(block)

    def read_config(self, block):
        path = os.path.join(block.folder, block.file)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(block.code)
        config = Config.fromfile(path)
        if isinstance(config.get('model'), dict):
            build_model(config)

    def run_python(self, block):
        lines = block.code.splitlines()
        for node in ast.parse(block.code).body:
            is_value = isinstance(node, ast.Expr)
            found = EXPECTED.search(lines[node.end_lineno - 1])
            tree = ast.Expression(node.value) if is_value \
                else ast.Module([node], [])
            code = compile(tree, block.place, 'eval' if is_value else 'exec')
            value = eval(code, self.names)
            if found:
                assert repr(value) == found[1], (block.place, value)
            for target in getattr(node, 'targets', []):
                check_types(self.names[target.id]
                            if isinstance(target, ast.Name) else None,
                            getattr(target, 'id', ''))

    def run_shell(self, block):
        commands = block.commands()
        for number, command in enumerate(commands):
            if number == len(commands) - 1 and block.options:
                command += f' {block.options}'
            found = re.fullmatch(r'([A-Z]+)="(.*)"', command)
            if found:
                self.variables[found[1]] = found[2]
                continue
            command = Template(command).safe_substitute(self.variables)
            if self.in_process and re.match(r'python (tools/|-[mc] )',
                                            command):
                run_here(shlex.split(command)[1:])
                continue
            env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1',
                       PATH=f'{os.getcwd()}/bin:{os.environ["PATH"]}')
            done = subprocess.run(['bash', '-euo', 'pipefail', '-c', command],
                                  env=env, capture_output=True, text=True)
            assert done.returncode == 0, (
                block.place, command, done.stdout[-2000:],
                done.stderr[-3000:])


def run_here(arguments):
    """A Python command in this process.

    Raises:
        AssertionError: If it ends with an error.
    """
    before = sys.argv, list(sys.path), torch.get_num_threads()
    try:
        if arguments[0] == '-c':
            exec(arguments[1], dict(__name__='__main__'))
        elif arguments[0] == '-m':
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name='__main__', alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name='__main__')
    except SystemExit as stop:
        assert not stop.code, (arguments, stop.code)
    finally:
        sys.argv, sys.path[:] = before[:2]
        torch.set_num_threads(before[2])


def check_types(value, name=''):
    """Types that a piece of a config names exist, and layers can be built."""
    if isinstance(value, (list, tuple)):
        for item in value:
            check_types(item)
    if not isinstance(value, dict):
        return
    kind = value.get('type')
    if isinstance(kind, str) and '.' not in kind:
        assert any(registry.get(kind) for registry in REGISTRIES), kind
    for item in value.values():
        check_types(item)
    built = {k: v for k, v in value.items() if k != '_delete_'}
    if name == 'conv_cfg':
        MODELS.build(dict(built, in_channels=4, out_channels=4, kernel_size=3))
    elif name in ('backbone', 'model') and kind and 'original' not in value:
        MODELS.build(built)
