"""Counting from boxes and points: where they are, and which of them count."""
import json

import numpy as np
import pytest
from mmengine.registry import DATASETS

import mmacda  # noqa: F401
from tests.box_layouts import SIZE, write_coco, write_voc

LOAD = dict(
    type='LoadImageFromFile',
    color_type='color_ignore_orientation',
    imdecode_backend='pillow')
CELLS = [('cell', (1, 1, 10, 20)), ('dust', (21, 3, 30, 8)),
         ('cell', (11, 11, 11, 11))]


def voc(root, **kwargs):
    return DATASETS.build(
        dict(type='VOCCounting', data_root=str(root), **kwargs))


def coco(root, **kwargs):
    return DATASETS.build(
        dict(
            type='COCOCounting',
            data_root=str(root),
            ann_file='train.json',
            data_prefix=dict(img_path='images'),
            **kwargs))


def points(dataset, index=0):
    return dataset.get_data_info(index)['points'].tolist()


def box(x, y, width, height, category=1, **more):
    return dict(bbox=[x, y, width, height], category_id=category, **more)


def test_voc_points_are_centres_of_pixels_that_count_from_one(tmp_path):
    write_voc(tmp_path, [CELLS, []])
    dataset = voc(tmp_path)
    # Pixels 1 to 10 cover 0 to 10; the one pixel 11 covers 10 to 11.
    assert points(dataset) == [[5, 10], [25, 5], [10.5, 10.5]]
    assert [dataset.get_data_info(i)['gt_count'] for i in (0, 1)] == [3, 0]


def test_voc_splits_and_endings(tmp_path):
    write_voc(tmp_path, [CELLS])
    write_voc(tmp_path, [CELLS[:1], CELLS[:2]], 'test', '.PNG')
    assert (len(voc(tmp_path)), len(voc(tmp_path, split='test'))) == (1, 2)
    with pytest.raises(FileNotFoundError, match='val.txt is missing'):
        voc(tmp_path, split='val')


@pytest.mark.parametrize('kwargs, counts, regions', [
    (dict(), 3, 0),
    (dict(classes=['cell']), 2, 0),
    (dict(classes=['cell'], ignore_classes=['dust']), 2, 1),
    (dict(ignore_classes=['dust']), 2, 1),
])
def test_classes(tmp_path, kwargs, counts, regions):
    write_voc(tmp_path / 'voc', [CELLS])
    (tmp_path / 'coco').mkdir()
    write_coco(tmp_path / 'coco', [[
        box(0, 0, 10, 20), box(20, 2, 10, 6, 2), box(10, 10, 1, 1)
    ]])
    for dataset in (voc(tmp_path / 'voc', **kwargs),
                    coco(tmp_path / 'coco', **kwargs)):
        sample = dataset.get_data_info(0)
        assert sample['gt_count'] == len(sample['points']) == counts
        assert sample['ignore_boxes'].shape == (regions, 4)
        if regions:
            assert sample['ignore_boxes'].tolist() == [[20, 2, 30, 8]]


@pytest.mark.parametrize('line, stem, ending', [
    ('train0', 'train0', '.tif'),
    ('train0.webp', 'train0', '.webp'),
    ('train0  1', 'train0', '.JPEG'),
    ('train0 -1', 'train0', '.jpg'),
    ('photo 1', 'photo 1', '.jpg'),
    ('photo 1.JPG', 'photo 1', '.JPG'),
])
def test_voc_lists_as_tools_write_them(tmp_path, line, stem, ending):
    write_voc(tmp_path, [CELLS], ending=ending)
    for folder, end in (('JPEGImages', ending), ('Annotations', '.xml')):
        (tmp_path / folder / f'train0{end}').rename(
            tmp_path / folder / f'{stem}{end}')
    (tmp_path / 'ImageSets/Main/train.txt').write_text(
        f'{line}\n', encoding='utf-8')
    assert len(points(voc(tmp_path))) == 3


@pytest.mark.parametrize('mark, counts', [
    ('0', 1), ('', 1), ('1', 0), ('True', 0), ('yes', 0)])
def test_voc_difficult(tmp_path, mark, counts):
    write_voc(tmp_path, [[('cell', (1, 1, 10, 20), mark)]])
    assert len(points(voc(tmp_path))) == counts


def state_size(root, layout, width, height):
    if layout is coco:
        spoil_coco(root, lambda content: content['images'][0].update(
            width=width, height=height))
        return
    path = root / 'Annotations' / 'train0.xml'
    text = path.read_text(encoding='utf-8')
    path.write_text(
        text.replace('<annotation>', '<annotation><size><width>'
                     f'{width}</width><height>{height}</height></size>'),
        encoding='utf-8')


@pytest.mark.parametrize('layout', [voc, coco])
@pytest.mark.parametrize('size, message', [
    (SIZE, ''), ((0, 0), ''), (('', 'none'), ''),
    ((80, 60), 'is of an image of 80 x 60 pixels, but .* has 40 x 30'),
    (SIZE[::-1], 'annotated upright'),
])
def test_annotations_of_another_size_are_refused(tmp_path, layout, size,
                                                 message):
    write_voc(tmp_path, [CELLS])
    write_coco(tmp_path, [[box(0, 0, 4, 4)]])
    state_size(tmp_path, layout, *size)
    if not message:
        assert len(layout(tmp_path)) == 1
        return
    with pytest.raises(ValueError, match=message):
        layout(tmp_path)


def test_a_class_of_another_split_is_known(tmp_path):
    write_voc(tmp_path, [CELLS])
    write_voc(tmp_path, [CELLS[:1]], 'test')
    dataset = voc(tmp_path, split='test', classes=['dust'])
    assert points(dataset) == []


def test_points_inside_ignored_regions_do_not_count(tmp_path):
    write_voc(tmp_path, [[*CELLS, ('cell', (6, 1, 40, 20), 1)]])
    sample = voc(tmp_path).get_data_info(0)
    assert sample['ignore_boxes'].tolist() == [[5, 0, 40, 20]]
    # The centre (5, 10) lies inside, from its left edge on.
    assert sample['points'].tolist() == []
    assert len(points(voc(tmp_path, count_difficult=True))) == 4


@pytest.mark.parametrize('key', ['iscrowd', 'ignore'])
def test_coco_crowds_are_regions(tmp_path, key):
    write_coco(tmp_path, [[box(0, 0, 4, 4), box(10, 10, 8, 8, **{key: 1}),
                           box(12, 12, 2, 2)]])
    sample = coco(tmp_path).get_data_info(0)
    assert sample['points'].tolist() == [[2, 2]]
    assert sample['ignore_boxes'].tolist() == [[10, 10, 18, 18]]


def test_coco_boxes_points_and_keypoints(tmp_path):
    entry = box(
        0, 0, 8, 4, point=[1, 2], keypoints=[1, 1, 2, 3, 5, 1, 9, 9, 0])
    unlabelled = box(10, 0, 8, 4, point=[11, 2], keypoints=[0] * 9)
    write_coco(tmp_path, [[entry, unlabelled]])
    assert points(coco(tmp_path)) == [[4, 2], [14, 2]]
    assert points(coco(tmp_path, points_from='point')) == [[1, 2], [11, 2]]
    assert points(
        coco(tmp_path, points_from='keypoints')) == [[2, 3], [14, 2]]


def test_coco_holds_out(tmp_path):
    write_coco(tmp_path, [[box(0, 0, 4, 4)]] * 4)
    parts = [{d['img_path'] for d in map(dataset.get_data_info, range(2))}
             for dataset in (coco(tmp_path, hold_out=2),
                             coco(tmp_path, hold_out=2, split='val'))]
    assert len(parts[0] | parts[1]) == 4


def test_what_is_ignored_is_painted_over(tmp_path):
    write_coco(tmp_path, [[box(2.5, 1, 3, 2, iscrowd=1), box(-5, -5, 6, 6,
                                                             iscrowd=1)]])
    dataset = coco(
        tmp_path, pipeline=[LOAD, dict(type='FillIgnoredRegions', fill=0)])
    plain = coco(tmp_path, pipeline=[LOAD])
    expected = plain[0]['img'].copy()
    expected[1:3, 2:6] = 0
    expected[:1, :1] = 0
    np.testing.assert_array_equal(dataset[0]['img'], expected)


def spoil_coco(root, change):
    content = json.loads((root / 'train.json').read_text(encoding='utf-8'))
    change(content)
    (root / 'train.json').write_text(json.dumps(content), encoding='utf-8')


def set_box(value):
    return lambda content: content['annotations'][0].update(bbox=value)


@pytest.mark.parametrize('text, message', [
    ('<annotation>', 'not readable XML'),
    ('<svg/>', 'root is <svg>'),
    ('<annotation><object/></annotation>', 'has no <name>'),
    ('<annotation><object><name>a</name></object></annotation>',
     '<xmin> of a a in .* not a number'),
])
def test_bad_voc_files_are_named_or_left_out(tmp_path, text, message):
    write_voc(tmp_path, [CELLS, CELLS])
    path = tmp_path / 'Annotations' / 'train1.xml'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=message) as error:
        voc(tmp_path)
    assert str(path) in str(error.value)
    dataset = voc(tmp_path, skip_bad_files=True)
    assert len(dataset) == len(dataset.bad_files) == 1


@pytest.mark.parametrize('corners, message', [
    ((9, 1, 5, 5), 'has no size'),
    (('nan', 1, 5, 5), 'has no size'),
])
def test_bad_boxes_are_named(tmp_path, corners, message):
    write_voc(tmp_path, [[('cell', corners)]])
    with pytest.raises(ValueError, match=f'train0.xml {message}'):
        voc(tmp_path)


@pytest.mark.parametrize('change, message', [
    (set_box([1, 2, 3]), "'bbox' .* must have 4 numbers, but has 3"),
    (set_box('text'), "'bbox' .*has no numbers: text"),
    (set_box([1, 1, 0, 5]), 'has no size'),
    (lambda c: c['annotations'][0].pop('bbox'), "has no 'bbox'|is missing"),
    (lambda c: c['annotations'][0].update(category_id=9), 'category 9'),
])
def test_bad_coco_annotations_are_named_or_left_out(tmp_path, change,
                                                    message):
    write_coco(tmp_path, [[box(0, 0, 4, 4)], [box(0, 0, 4, 4)]])
    spoil_coco(tmp_path, change)
    with pytest.raises(ValueError, match=message) as error:
        coco(tmp_path)
    assert 'train.json' in str(error.value)
    assert '(image 7)' in str(error.value) or message.startswith("has no '")
    assert len(coco(tmp_path, skip_bad_files=True)) == 1


@pytest.mark.parametrize('change, message', [
    (lambda c: c.pop('images'), "no list 'images'"),
    (lambda c: c['annotations'][0].update(image_id=99), 'image 99'),
    (lambda c: c['annotations'][0].pop('image_id'), "has no 'image_id'"),
    (lambda c: c['images'].append(c['images'][0]), 'two images .* the id'),
    (lambda c: c['images'][0].pop('file_name'), "has no 'file_name'"),
    (lambda c: c['images'][0].update(file_name=7), 'must be a text'),
    (lambda c: c['images'][0].update(id=[7]), "'id' .* must be a number"),
    (lambda c: c['categories'][1].update(id=1), 'two categories .* id 1'),
])
def test_bad_coco_files_are_refused(tmp_path, change, message):
    write_coco(tmp_path, [[box(0, 0, 4, 4)]])
    spoil_coco(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        coco(tmp_path, skip_bad_files=True)


@pytest.mark.parametrize('keypoints', [[1, 2], 5, 'text'])
def test_bad_keypoints_are_named(tmp_path, keypoints):
    write_coco(tmp_path, [[box(0, 0, 4, 4, keypoints=keypoints)]])
    with pytest.raises(ValueError, match="'keypoints' of .*image 7"):
        coco(tmp_path, points_from='keypoints')


@pytest.mark.parametrize('layout, kwargs, message', [
    ('VOCCounting', dict(ann_file='train.txt'), 'leave out ann_file'),
    ('VOCCounting', dict(data_prefix=dict(img_path='a')), 'must be left out'),
    ('COCOCounting', dict(data_prefix=dict(img='a')), 'img_path=FOLDER'),
    ('COCOCounting', dict(data_prefix='images'), 'img_path=FOLDER'),
    ('COCOCounting', dict(hold_out='0.1'), 'hold_out must be'),
    ('COCOCounting', dict(hold_out=float('nan')), 'hold_out must be'),
])
def test_arguments_that_would_not_be_read(tmp_path, layout, kwargs, message):
    arguments = dict(ann_file='train.json') if layout[0] == 'C' else {}
    with pytest.raises(ValueError, match=message):
        DATASETS.build(dict(arguments, type=layout, data_root=str(tmp_path),
                            **kwargs))


def test_nothing_is_left(tmp_path):
    write_coco(tmp_path, [[box(0, 0, 4, 4)]])
    (tmp_path / 'images' / '0.jpg').unlink()
    with pytest.raises(ValueError, match='none of the 1 images .*0.jpg'):
        coco(tmp_path, skip_bad_files=True)


def test_no_json_and_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='train.json is missing'):
        coco(tmp_path)
    (tmp_path / 'train.json').write_text('{', encoding='utf-8')
    with pytest.raises(ValueError, match='not readable JSON'):
        coco(tmp_path)
    write_coco(tmp_path, [[box(0, 0, 4, 4)]])
    (tmp_path / 'images' / '0.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='0.jpg is missing'):
        coco(tmp_path)


@pytest.mark.parametrize('kwargs, message', [
    (dict(classes='cell'), r"write \['cell'\]"),
    (dict(classes=[]), 'must have a name'),
    (dict(classes=['cell'], ignore_classes=['cell']), 'cannot be both'),
    (dict(classes=['cells']), r"\['cells'\] occurs .* only of .*'cell'"),
    (dict(classes=['cell', 'dusk']), r"\['dusk'\] occurs"),
])
def test_bad_classes(tmp_path, kwargs, message):
    write_voc(tmp_path, [CELLS])
    write_coco(tmp_path, [[box(0, 0, 4, 4)]])
    for build in (voc, coco):
        with pytest.raises(ValueError, match=message):
            build(tmp_path, **kwargs)
    with pytest.raises(ValueError, match='points_from must be one of'):
        coco(tmp_path, points_from='segmentation')
