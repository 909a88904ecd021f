_base_ = './acda-restorer_realsr-v1-x4.py'

train_dataloader = dict(dataset=dict(scale=2))
val_dataloader = dict(dataset=dict(scale=2))
test_dataloader = val_dataloader
