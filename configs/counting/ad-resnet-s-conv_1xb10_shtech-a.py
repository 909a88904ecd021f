_base_ = [
    '../_base_/models/ad_resnet_conv_counter_in1k.py',
    '../_base_/datasets/shanghaitech_a.py',
    '../_base_/schedules/counting_1000e.py', '../_base_/counting_runtime.py'
]
