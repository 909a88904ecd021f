# Small enough for a CPU: scikit-image's photographs, written on first use.
_base_ = [
    '../_base_/models/acda_restorer.py',
    '../_base_/datasets/photographs_noise.py',
    '../_base_/schedules/adam_1500.py', '../_base_/mmagic_runtime.py'
]

model = dict(generator=dict(num_blocks=4))
default_hooks = dict(checkpoint=dict(interval=500, save_best=None))
