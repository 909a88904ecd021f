_base_ = './acda-restorer_city100.py'

model = dict(generator=dict(conv_type='conv'))
