"""Networks in torch.nn, written from their papers by someone who had not read the builders.

The rule: whoever writes or changes a file here has read neither tlkit/backbones/ nor the tests of it, so that
a network that agrees with its builder agrees because both read the same paper, not because one copied the
other. Where a builder and an oracle differ, the paper decides. The files here were written by a helper
session (H8) under this rule, from the papers and from the project's reference notes; each file says how it
reads its paper.

In every file each submodule is called once in a forward pass and no activation works in place, so any of them
can be tapped with a forward hook. Images are batch, channel, row, column. Parameters are the trainable ones.

    module        class         submodules to tap                                        parameters
    alexnet_2012  AlexNet2012   norm1 norm2 relu5 pool5 (also relu1-4, pool1, pool2)     60,965,224
    cifar         ResNetCifar   relu1 (stem) stage1 stage2 stage3                        269,722 (depth 20)
    googlenet     GoogLeNet2014 relu1 norm2 inception3b inception4e inception5b          6,998,552
    lenet         LeNet5        tanh1 tanh3 s4 (also s2)                                 44,426
    lenet         LeNet5On32    the same                                                 61,706
    neocognitron  Neocognitron  s1 s2 s3 c3 (also c1, c2, s1.v)                          29,722
    nin           NiN           cccp2_relu cccp4_relu cccp6_relu cccp8_relu (pool1-3)    7,595,176
    teaching      SmallCNN      relu1 relu2 pool2 (also pool1)                           206,922
    teaching      SimpleResNet  relu1 (stem) block1 block2 block3                        56,170
"""
