"""The network for ImageNet of M. Lin, Q. Chen, S. Yan, Network In Network, arXiv:1312.4400, as its first
author published it for Caffe (model zoo: Network in Network model, train_val.prototxt, net "nin_imagenet";
read in a copy on a web page).

Reading. The paper describes the kind of layer (a convolution followed by two 1x1 convolutions, ReLU after
each of the three) and the global average pooling at the end, but no net for ImageNet; sizes are those of the
file, and layers have its names but for "conv4-1024" and its like, here conv4, and "pool0", here pool1. Four
groups: 11x11 at stride 4 without padding, 96; 5x5 with padding 2, 256; 3x3 with padding 1, 384; 3x3 with
padding 1, 1024. All with bias. After each of the first three groups a max pooling of 3x3 at stride 2; Caffe
rounds the size up, so does ceil_mode: 54 to 27, 27 to 13, 13 to 6. The only dropout, of 0.5, stands after the
third pooling. The last 1x1 convolution, 1024 to 1000, is followed by a ReLU as all others are ("relu12"), so
that no class score is negative; then comes an average over 6x6, which is all of the map of an input of
224x224.

Parameters: 7,595,176.
Shapes (channels x height x width): 3x224x224, cccp2_relu 96x54x54, pool1 96x27x27, cccp4_relu 256x27x27,
pool2 256x13x13, cccp6_relu 384x13x13, pool3 384x6x6, cccp7_relu 1024x6x6, cccp8_relu 1000x6x6, pool4
1000x1x1, flatten 1000.
"""

from torch import nn


class NiN(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self.convolution("conv1", 3, 96, 11, stride=4)
        self.convolution("cccp1", 96, 96, 1)
        self.convolution("cccp2", 96, 96, 1)
        self.add_module("pool1", nn.MaxPool2d(3, stride=2, ceil_mode=True))
        self.convolution("conv2", 96, 256, 5, padding=2)
        self.convolution("cccp3", 256, 256, 1)
        self.convolution("cccp4", 256, 256, 1)
        self.add_module("pool2", nn.MaxPool2d(3, stride=2, ceil_mode=True))
        self.convolution("conv3", 256, 384, 3, padding=1)
        self.convolution("cccp5", 384, 384, 1)
        self.convolution("cccp6", 384, 384, 1)
        self.add_module("pool3", nn.MaxPool2d(3, stride=2, ceil_mode=True))
        self.add_module("drop", nn.Dropout(0.5))
        self.convolution("conv4", 384, 1024, 3, padding=1)
        self.convolution("cccp7", 1024, 1024, 1)
        self.convolution("cccp8", 1024, classes, 1)
        self.add_module("pool4", nn.AdaptiveAvgPool2d(1))
        self.add_module("flatten", nn.Flatten())

    def convolution(self, name, *arguments, **settings):
        self.add_module(name, nn.Conv2d(*arguments, **settings))
        self.add_module(f"{name}_relu", nn.ReLU())

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x
