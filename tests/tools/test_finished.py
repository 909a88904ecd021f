"""What an experiment has finished is kept; the rest is trained anew."""
import json

import pytest
from mmengine.config import Config

from tools.experiments.finished import (DIGEST, RECORD, Outcome, Training,
                                        once)


@pytest.fixture
def train(tmp_path):
    """Train once in a folder; whether it was trained, and the record."""

    def call(lr=0.1, error=None, **options):
        trained = []

        def run(cfg):
            trained.append(dict(cfg))
            if error:
                raise error
            return Outcome(dict(accuracy=90. + lr))

        cfg = Config(dict(optim=dict(lr=lr)))
        record = once(
            Training('demo', 'LeNet', 'configs/lenet.py', cfg, dict(lr=lr), 0,
                     str(tmp_path / 'run')), run, **options)
        return trained, record

    return call


def test_trains_once(train, tmp_path):
    trained, record = train()
    cfg, = trained
    assert cfg['work_dir'] == str(tmp_path / 'run') and not cfg['resume']
    assert record['metrics'] == dict(accuracy=90.1)
    assert record['overrides'] == dict(lr=0.1) and record['seconds'] >= 0
    assert {'torch', 'mmengine', 'python'} <= record['versions'].keys()
    assert train() == ([], json.loads(
        (tmp_path / 'run' / RECORD).read_text(encoding='utf-8')))
    assert train(fresh=True)[0]


def test_other_settings_are_trained_anew_and_said(train, tmp_path, capsys):
    train()
    last = tmp_path / 'run' / 'last_checkpoint'
    last.write_text('epoch_1.pth', encoding='utf-8')
    (tmp_path / 'run' / 'epoch_1.pth').touch()
    trained, record = train(lr=0.2)
    assert trained and record['metrics'] == dict(accuracy=90.2)
    assert 'is of other settings: training anew' in capsys.readouterr().out
    assert not last.exists()  # nothing goes on from it
    assert not trained[0]['resume']
    assert sorted(p.name for p in (tmp_path / 'run').iterdir()) == [
        DIGEST, 'old-epoch_1.pth', RECORD]  # nor is it taken away
    assert train(lr=0.2)[0] == []


@pytest.mark.parametrize('text', ['', '{"metrics": ', '{}', '[]', 'null'])
def test_a_damaged_record_is_trained_anew_and_said(train, tmp_path, capsys,
                                                   text):
    train()
    (tmp_path / 'run' / RECORD).write_text(text, encoding='utf-8')
    assert train()[0]
    assert 'damaged: training anew' in capsys.readouterr().out
    assert train()[0] == []


def test_an_interrupted_training_leaves_no_record_and_goes_on(train,
                                                              tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(error=KeyboardInterrupt())
    last = tmp_path / 'run' / 'last_checkpoint'
    last.write_text('epoch_1.pth', encoding='utf-8')
    assert sorted(p.name for p in (tmp_path / 'run').iterdir()) == [
        DIGEST, 'last_checkpoint']
    trained, _ = train()
    assert trained[0]['resume'] and last.exists()
    # Of other settings there is nothing to go on from.
    (tmp_path / 'run' / RECORD).unlink()
    train(lr=0.3)
    assert not last.exists()


def test_what_a_figure_needs_belongs_to_a_finished_training(train, tmp_path,
                                                            capsys):
    train(keeps=())
    assert train(keeps=['maps.npz'])[0]
    assert 'lacks maps.npz: training anew' in capsys.readouterr().out
    (tmp_path / 'run' / 'maps.npz').touch()
    assert train(keeps=['maps.npz'])[0] == []
