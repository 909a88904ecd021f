# VDNet itself, the peer.
_base_ = './acda-vdn_sidd.py'

model = dict(
    generator=dict(_delete_=True, type='VDNUNet'),
    data_preprocessor=dict(mean=[0., 0., 0.]))
