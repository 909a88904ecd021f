"""A config that cannot be used is told with its place and its reason."""
import pytest
from mmengine.config import Config

from mmacda.apis.load_model import load_model
from mmacda.apis.read_config import ConfigError, read_config


@pytest.fixture
def write(tmp_path):

    def call(text, name='config.py'):
        path = tmp_path / name
        path.write_text(text, encoding='utf-8')
        return str(path)

    return call


@pytest.mark.parametrize('text, said', [
    ('a = (1,\nb = 2\n', "config.py, line 1: SyntaxError: '(' was never"),
    ('a = 1\nb = unknown\n', 'config.py, line 2: NameError'),
    ('a = 1\nb = 1 / 0\n', 'config.py, line 2: ZeroDivisionError'),
    ('from mmengine.config import read_base\n'
     'with read_base():\n    from .nope import *\n', 'nope.py not found'),
])
def test_errors_of_the_program_name_their_line(write, text, said):
    path = write(text)
    with pytest.raises(ConfigError) as error:
        read_config(path)
    assert said in str(error.value)


def test_the_base_at_fault_is_named(write):
    write('a = 1\nb = unknown\n', 'base.py')
    path = write("_base_ = './base.py'\n")
    with pytest.raises(ConfigError, match=r'base\.py, line 2: NameError'):
        read_config(path)
    write('a = (\n', 'base.py')
    with pytest.raises(ConfigError, match='line 1 of one of its bases'):
        read_config(path)


def test_missing_files_and_modules(write, tmp_path):
    with pytest.raises(FileNotFoundError, match='no config file absent.py'):
        read_config('absent.py')
    with pytest.raises(FileNotFoundError, match=r'config\.py needs .*gone'):
        read_config(write("_base_ = './gone.py'\n"))
    with pytest.raises(ImportError, match='imports what .*nope_nope') as error:
        read_config(write("custom_imports = dict(imports=['nope_nope'])\n"))
    assert 'sys.path' not in str(error.value)
    with pytest.raises(FileNotFoundError, match='no config file'):
        read_config(str(tmp_path))


@pytest.mark.parametrize('name, text', [
    ('a.yml', 'a: [1\n'), ('a.json', '{'), ('a.txt', 'a')])
def test_other_formats(write, name, text):
    with pytest.raises(ConfigError, match=name):
        read_config(write(text, name))


@pytest.mark.parametrize('key', ['a.b.c', 'numbers.5.x', 'numbers.x',
                                 'word.y', 'numbers.0.z'])
def test_options_that_do_not_fit_are_named(key):
    cfg = Config(dict(a=dict(b=1), numbers=[1, 2], word='x'))
    with pytest.raises(ConfigError, match=f'--cfg-options {key}: '):
        read_config(cfg, {key: 1})
    assert read_config(cfg, {'a.b': 2}).a.b == 2


def test_a_config_without_a_model(write):
    with pytest.raises(ConfigError, match=r'config\.py has no model'):
        load_model(write('a = 1\n'))
