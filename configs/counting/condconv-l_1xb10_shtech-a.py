_base_ = [
    '../_base_/models/condconv_counter.py',
    '../_base_/datasets/shanghaitech_a.py',
    '../_base_/schedules/counting_1000e.py', '../_base_/counting_runtime.py'
]

# 8 experts.
model = dict(backbone=dict(model_name='tf_efficientnet_cc_b0_8e'))
