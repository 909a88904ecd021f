# Real pairs, and small enough for a CPU.
_base_ = [
    '../_base_/models/acda_restorer.py', '../_base_/datasets/city100.py',
    '../_base_/schedules/adam_1500.py', '../_base_/mmagic_runtime.py'
]

model = dict(generator=dict(num_blocks=4))
train_cfg = dict(val_interval=500)
default_hooks = dict(checkpoint=dict(interval=250))
randomness = dict(seed=0)
