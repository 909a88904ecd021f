_base_ = './acda-restorer_realsr-v2-x4.py'

data_root = 'data/RealSR(ICCV2019)'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
