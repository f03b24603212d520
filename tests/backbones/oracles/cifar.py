"""The CIFAR-10 networks of K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition,
arXiv:1512.03385, section 4.2.

Reading. The first layer is a 3x3 convolution of 16 filters. Then come three stages of 2n 3x3 convolutions
each, of 16, 32 and 64 filters, on maps of 32x32, 16x16 and 8x8; the first convolution of the second and of
the third stage has stride 2. Global average pooling and a dense layer of 10 end the net: 6n + 2 layers with
weights. Each convolution is followed by batch normalisation (section 3.4: right after it, before the
activation), so it needs no bias; epsilon is 1e-5. A shortcut spans each pair of convolutions and is added
before the second ReLU. Section 4.2: "we use identity shortcuts in all cases (i.e., option A)". Where the size
changes, option A takes every second row and column (those with even index, as a stride of 2 does from the
first) and pads the new channels with zeros, after the existing ones; it has no weights. So the plain net
(residual=False) has the same parameters as the residual one.

The paper does not say on which side the zero channels go, nor the epsilon: both are this reading.

Parameters (trainable): 269,722 for depth 20, 464,154 for 32, 658,586 for 44, 853,018 for 56, 1,727,962 for
110.
Shapes (channels x height x width): 3x32x32, relu1 16x32x32, stage1 16x32x32, stage2 32x16x16, stage3 64x8x8,
gap 64x1x1, 10.
"""

import torch.nn.functional as F
from torch import nn


class OptionA(nn.Module):
    """The identity shortcut: subsampled where the size halves, zero channels appended where they grow."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.new_channels = outputs - inputs
        self.stride = stride

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        # F.pad counts from the last axis: width, height, then channels (none before, new_channels after).
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, residual):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs, eps=1e-5)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=1e-5)
        self.relu2 = nn.ReLU()
        self.shortcut = OptionA(inputs, outputs, stride) if residual else None

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.relu2(y)


def stage(inputs, outputs, stride, blocks, residual):
    first = Block(inputs, outputs, stride, residual)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, residual) for _ in range(blocks - 1)))


class ResNetCifar(nn.Module):
    def __init__(self, depth=20, residual=True, classes=10):
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise ValueError(f"depth must be 6n + 2 with n at least 1, not {depth}")
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16, eps=1e-5)
        self.relu1 = nn.ReLU()
        self.stage1 = stage(16, 16, 1, blocks, residual)
        self.stage2 = stage(16, 32, 2, blocks, residual)
        self.stage3 = stage(32, 64, 2, blocks, residual)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(self.flatten(self.gap(x)))
