_base_ = [
    '../_base_/models/acda_restorer.py', '../_base_/datasets/realsr.py',
    '../_base_/schedules/adam_1000k.py', '../_base_/mmagic_runtime.py'
]
