_base_ = [
    '../_base_/models/condconv_counter.py',
    '../_base_/datasets/ucf_qnrf.py',
    '../_base_/schedules/counting_1000e.py', '../_base_/counting_runtime.py'
]
