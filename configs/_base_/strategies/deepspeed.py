# ZeRO, stage 1, in bfloat16; needs `pip install deepspeed`. In a leaf config:
# _base_ = ['./ad-resnet-m_8xb32_in1k.py', '../_base_/strategies/deepspeed.py']
# optim_wrapper = dict(type='DeepSpeedOptimWrapper')
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
