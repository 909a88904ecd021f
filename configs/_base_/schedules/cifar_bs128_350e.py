# The paper does not give the schedule of its Table 1: this is the one that its
# first author uses for LeNet elsewhere (SGD with Nesterov momentum, 350
# epochs, steps at 150 and 250), with a learning rate of 0.01, our choice for
# a network without batch normalization.
train_cfg = dict(by_epoch=True, max_epochs=350, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(
        type='SGD', lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4))
param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[150, 250], gamma=0.1)
auto_scale_lr = dict(base_batch_size=128)
