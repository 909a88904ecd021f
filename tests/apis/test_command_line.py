"""One convention of command lines: models, devices, files, options."""
from argparse import SUPPRESS

import pytest
import torch

from mmacda.apis.command_line import (OPTIONAL, REQUIRED, CommandParser,
                                      add_cfg_options, add_device_argument,
                                      add_model_arguments, add_model_options,
                                      output_file, output_folder,
                                      positive_int)


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A config, its weights and a photograph in the folder we are in."""
    monkeypatch.chdir(tmp_path)
    for name in ('c.py', 'w.pth', 'photo.png'):
        (tmp_path / name).touch()


@pytest.fixture
def refused(capsys):
    """Parse what is refused; the one line that is said of it."""

    def call(parser, *arguments):
        with pytest.raises(SystemExit) as stop:
            parser.parse_args(arguments)
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.count('\n') == 1
        return said

    return call


def parser_of_a_model(checkpoint=REQUIRED, default=None):
    parser = CommandParser('A tool.\n\n    python tools/tool.py c.py w.pth\n')
    add_model_arguments(parser, checkpoint, default)
    parser.add_argument('--size', type=positive_int, default=3)
    return parser


@pytest.mark.parametrize('line', [
    'c.py w.pth', '--size 4 c.py w.pth', 'c.py --size 4 w.pth',
    '--config c.py --checkpoint w.pth', '--checkpoint w.pth --config c.py',
    'c.py --checkpoint w.pth', '--config c.py w.pth',
    '--checkpoint w.pth c.py'])
def test_a_model_is_given_in_either_way(line):
    args = parser_of_a_model().parse_args(line.split())
    assert (args.config, args.checkpoint) == ('c.py', 'w.pth')
    assert vars(args).keys() == {'config', 'checkpoint', 'size'}


@pytest.mark.parametrize('line, said', [
    ('', 'required: CONFIG, CHECKPOINT'),
    ('c.py', 'required: CHECKPOINT'),
    ('--checkpoint w.pth', 'required: CONFIG'),
    ('c.py w.pth more', 'unrecognized arguments: more'),
    ('c.py w.pth --config c.py', 'one argument too many'),
    ('absent.py w.pth', 'the config absent.py does not exist'),
    ('c.py .', 'the checkpoint . is a folder'),
    ('c.py w.pth --size 0', 'whole number of at least 1'),
    ('c.py w.pth --size x', 'whole number of at least 1'),
    ('c.py w.pth --sice 1', '--sice'),
])
def test_what_cannot_be_meant_is_one_sentence(refused, line, said):
    assert said in refused(parser_of_a_model(), *line.split())


def test_defaults_and_what_only_the_frameworks_can_find():
    args = parser_of_a_model(OPTIONAL, default='c.py').parse_args([])
    assert (args.config, args.checkpoint) == ('c.py', None)
    args = parser_of_a_model('', SUPPRESS).parse_args([])
    assert args.config is None and not hasattr(args, 'checkpoint')
    args = parser_of_a_model().parse_args(
        ['mmpretrain::lenet/lenet5_mnist.py', 'https://host/w.pth'])
    assert args.checkpoint == 'https://host/w.pth'


def test_a_third_positional_follows_the_model():
    parser = parser_of_a_model()
    parser.add_argument('blocks')
    for line in ('c.py w.pth b.mat', '--config c.py --checkpoint w.pth b.mat'):
        args = parser.parse_args(line.split())
        assert (args.config, args.checkpoint, args.blocks) == (
            'c.py', 'w.pth', 'b.mat')


def test_tools_of_pictures_take_options(refused):
    parser = CommandParser('A tool.')
    parser.add_argument('photos', nargs='+')
    add_model_options(parser)
    args = parser.parse_args(
        'photo.png b.png --config c.py --checkpoint w.pth'.split())
    assert args.photos == ['photo.png', 'b.png'] and args.config == 'c.py'
    assert '--checkpoint' in refused(parser, 'photo.png', '--config', 'c.py')
    assert 'does not exist' in refused(
        parser, 'photo.png', '--config', 'c.py', '--checkpoint', 'absent.pth')


def test_help_begins_with_an_example(capsys):
    with pytest.raises(SystemExit):
        parser_of_a_model().parse_args(['--help'])
    text = capsys.readouterr().out
    assert '\n    python tools/tool.py c.py w.pth\n' in text
    assert text.index('python tools') < text.index('CONFIG  ')


def test_devices(refused):
    parser = CommandParser('A tool.')
    add_device_argument(parser)
    assert parser.parse_args([]).device is None
    assert parser.parse_args(['--device', 'cpu']).device == 'cpu'
    assert "no device 'gpu': take cpu" in refused(parser, '--device', 'gpu')
    for name in ('cuda', 'cuda:1', 'mps', 'xpu', 'meta'):
        kind = name.partition(':')[0]
        module = getattr(torch, kind, None)
        if kind == 'meta' or not module.is_available():
            assert f'no {kind} device here' in refused(
                parser, '--device', name)
    several = f'cuda:{torch.cuda.device_count() + 1}'
    assert f'not {several}: take cpu' in refused(parser, '--device', several)


@pytest.mark.parametrize('option', ['foo', '=3', 'a=(1,'])
def test_options_of_a_config(refused, option):
    parser = CommandParser('A tool.')
    add_cfg_options(parser)
    args = parser.parse_args(['--cfg-options', 'a.b=1', 'c=(2, 3)'])
    assert args.cfg_options == {'a.b': 1, 'c': (2, 3)}
    assert '--cfg-options' in refused(parser, '--cfg-options', option)


@pytest.mark.parametrize('entry', [
    "dict(type='ACDAConv', scales=(3, 5))", '{a: 1, b: 2}', '[dict(a=1)]'])
def test_a_dict_among_options_is_told_how_to_write(refused, entry):
    parser = CommandParser('A tool.')
    add_cfg_options(parser)
    said = refused(parser, '--cfg-options', f'model.conv_cfg={entry}')
    assert 'as in model.conv_cfg.type=NAME' in said


@pytest.mark.parametrize('name, kept', [
    ('w.pth', 'checkpoint'), ('link', 'checkpoint'), ('c.py', 'config')])
def test_the_model_is_never_written_over(refused, tmp_path, name, kept):
    parser = parser_of_a_model()
    parser.add_argument('--out', type=output_file)
    (tmp_path / 'link').symlink_to('w.pth')
    said = refused(parser, 'c.py', 'w.pth', '--out', name)
    assert f'is the {kept}, which is never replaced' in said
    (tmp_path / 'earlier.pkl').touch()
    parser.parse_args(['c.py', 'w.pth', '--out', 'earlier.pkl'])


def test_outputs_are_judged_before_the_work(refused, tmp_path):
    parser = CommandParser('A tool.')
    parser.add_argument('--out', type=output_file)
    parser.add_argument('--out-dir', type=output_folder)
    args = parser.parse_args(['--out', 'new/a.png', '--out-dir', 'b'])
    assert (args.out, args.out_dir) == ('new/a.png', 'b')
    assert 'folder' in refused(parser, '--out', str(tmp_path))
    assert 'w.pth' in refused(parser, '--out', 'w.pth/a.png')
    assert 'w.pth' in refused(parser, '--out-dir', 'w.pth')
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'c.py', 'photo.png', 'w.pth']
