# Parameters, gradients and optimizer state in shards, one per GPU:
# _base_ = ['./ad-resnet-m_8xb32_in1k.py', '../_base_/strategies/fsdp.py']
runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    state_dict_cfg='full',  # checkpoints as any other run writes them
    model_wrapper=dict(
        auto_wrap_policy=dict(
            type='torch.distributed.fsdp.wrap.size_based_auto_wrap_policy',
            min_num_params=1_000_000)))
