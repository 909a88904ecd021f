# ACDA + MSE. The paper gives neither the network's widths nor the schedule:
# the network is that of RealSR, data and schedule are VDNet's.
_base_ = [
    '../_base_/models/acda_restorer.py', '../_base_/datasets/sidd.py',
    '../_base_/schedules/adam_250k.py', '../_base_/mmagic_runtime.py'
]

# Pictures of every hundredth block.
default_hooks = dict(
    checkpoint=dict(save_best='SIDD/PSNR'), visualization=dict(interval=100))
