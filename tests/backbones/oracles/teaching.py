"""Two networks for teaching on 28x28 grey images. They have no paper; the compositions are those of the
project's reference notes (families, section 1.1).

SmallCNN: two pairs of 3x3 convolution ("same", zero padding, bias), ReLU and 2x2 max pooling, of 16 and 32
filters; then flatten (order: channel, row, column), 128 with ReLU, 10.

SimpleResNet: the smallest reading of "residual": each block adds its input directly (K. He et al.,
arXiv:1512.03385, equation 1), with no projection anywhere, no change of size and one width throughout. Stem:
3x3 convolution of 32 filters without bias, batch normalisation, ReLU. Three blocks of: 3x3 convolution
without bias, batch normalisation, ReLU, 3x3 convolution without bias (and without batch normalisation: the
count of 56,170 leaves room for one in a block), plus the input, ReLU. Global average pooling and a dense
layer of 10. The notes do not say the epsilon of batch normalisation: 1e-5 here, PyTorch's default, and the
argument eps changes it.

Parameters (trainable): SmallCNN 206,922, SimpleResNet 56,170.
Shapes (channels x height x width), SmallCNN: 1x28x28, relu1 16x28x28, pool1 16x14x14, relu2 32x14x14, pool2
32x7x7, flatten 1568, relu3 128, fc2 10. SimpleResNet: 1x28x28, relu1, block1, block2 and block3 32x28x28, gap
32x1x1, 10.
"""

from torch import nn


class SmallCNN(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(32 * 7 * 7, 128)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.fc2(self.relu3(self.fc1(self.flatten(x))))


class Block(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=eps)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.relu2 = nn.ReLU()

    def forward(self, x):
        return self.relu2(self.conv2(self.relu1(self.bn1(self.conv1(x)))) + x)


class SimpleResNet(nn.Module):
    def __init__(self, classes=10, eps=1e-5):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32, eps=eps)
        self.relu1 = nn.ReLU()
        self.block1 = Block(32, eps)
        self.block2 = Block(32, eps)
        self.block3 = Block(32, eps)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.block3(self.block2(self.block1(x)))
        return self.fc(self.flatten(self.gap(x)))
