# The paper gives no schedule. Optimizer and learning rate are those of the
# NWPU-Crowd benchmark's code for the same loss and density factor, the length
# is DM-Count's.
train_cfg = dict(by_epoch=True, max_epochs=1000, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4, weight_decay=1e-4))
auto_scale_lr = dict(base_batch_size=10)
