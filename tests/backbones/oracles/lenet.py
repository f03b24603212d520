"""LeNet-5 of Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document
Recognition, Proceedings of the IEEE 86(11), 1998, section II.B, in its modern form.

Reading. Layers C1, S2, C3, S4, C5, F6 and the output as in the paper, with these simplifications, which are
common today and are not the paper's: S2 and S4 are plain 2x2 averages with stride 2 (the paper multiplies the
sum by a trainable coefficient, adds a trainable bias and squashes); C3 sees all six maps of S2 (the paper has
a partial table); the squashing is tanh (the paper has 1.7159 tanh(2a/3)) and stands after C1, C3, C5 and F6;
the output is a dense layer (the paper has Euclidean radial basis functions); convolutions are valid, as in
the paper. C5 is a dense layer on the flattened S4 (order: channel, row, column).

LeNet5 takes the 28x28 digits of MNIST as they are, LeNet5On32 the paper's 32x32 field.

Parameters: LeNet5 44,426, LeNet5On32 61,706.
Shapes (channels x height x width), LeNet5: 1x28x28, tanh1 6x24x24, s2 6x12x12, tanh3 16x8x8, s4 16x4x4,
flatten 256, tanh5 120, tanh6 84, output 10. LeNet5On32: 1x32x32, tanh1 6x28x28, s2 6x14x14, tanh3 16x10x10,
s4 16x5x5, flatten 400, tanh5 120, tanh6 84, output 10.
"""

from torch import nn


class LeNet5(nn.Module):
    flat = 16 * 4 * 4

    def __init__(self, classes=10):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.tanh1 = nn.Tanh()
        self.s2 = nn.AvgPool2d(2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.tanh3 = nn.Tanh()
        self.s4 = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.c5 = nn.Linear(self.flat, 120)
        self.tanh5 = nn.Tanh()
        self.f6 = nn.Linear(120, 84)
        self.tanh6 = nn.Tanh()
        self.output = nn.Linear(84, classes)

    def forward(self, x):
        x = self.s2(self.tanh1(self.c1(x)))
        x = self.s4(self.tanh3(self.c3(x)))
        x = self.tanh5(self.c5(self.flatten(x)))
        return self.output(self.tanh6(self.f6(x)))


class LeNet5On32(LeNet5):
    flat = 16 * 5 * 5
