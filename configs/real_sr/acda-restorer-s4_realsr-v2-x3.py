# Table B: 4 scales.
_base_ = './acda-restorer_realsr-v2-x3.py'

model = dict(generator=dict(acda_cfg=dict(scales=(3, 5, 7, 9))))
