"""Results never replace an input or one another."""
import os

import pytest

from mmacda.io.naming import result_paths


def names(paths):
    return [os.path.basename(p) for p in paths]


def test_equal_names_get_numbers(tmp_path):
    given = ['x.png', 'x.png', 'X.png', 'x_1.png', 'y.png']
    expected = ['x.png', 'x_1.png', 'X_2.png', 'x_1_1.png', 'y.png']
    out = tmp_path / 'new'
    for _ in range(2):
        assert names(result_paths(out, given)) == expected
    assert not out.exists()


def test_inputs_are_left_alone(tmp_path):
    for name in ('a.jpg', 'a_1.jpg'):
        (tmp_path / name).touch()
    (tmp_path / 'link').symlink_to(tmp_path, target_is_directory=True)
    inputs = [tmp_path / 'link' / 'a.jpg', tmp_path / 'a_1.jpg']
    assert names(result_paths(tmp_path, ['a.jpg'], inputs)) == ['a_2.jpg']
    # What is there, but no input, is an earlier result.
    assert names(result_paths(tmp_path, ['a.jpg'])) == ['a.jpg']


def test_results_without_a_name_continue_the_numbers(tmp_path):
    assert names(result_paths(tmp_path, ['.jpg', '.jpg'])) == [
        'image_0.jpg', 'image_1.jpg']
    (tmp_path / 'image_0.jpg').touch()
    (tmp_path / 'image_2.jpg').touch()
    assert names(result_paths(tmp_path, ['.jpg', '.jpg'])) == [
        'image_1.jpg', 'image_3.jpg']


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match='file is not a folder'):
        result_paths(tmp_path / 'file', ['a.jpg'])
