# ZeRO, stage 1, in bfloat16; needs `pip install deepspeed`:
# _base_ = [..., '../_base_/strategies/deepspeed.py']
runner_type = 'FlexibleRunner'
strategy = dict(
    type='DeepSpeedStrategy',
    bf16=dict(enabled=True),
    inputs_to_half=['inputs'],
    zero_optimization=dict(
        stage=1,
        reduce_scatter=True,
        overlap_comm=True,
        contiguous_gradients=True))
optim_wrapper = dict(type='DeepSpeedOptimWrapper')
