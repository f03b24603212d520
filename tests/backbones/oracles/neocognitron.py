"""The neocognitron of K. Fukushima, Neocognitron: A Self-organizing Neural Network Model for a Mechanism of
Pattern Recognition Unaffected by Shift in Position, Biological Cybernetics 36, 1980, made trainable by
gradients.

Reading. From the paper: layers of S-cells and C-cells in turn, three times, 24 cell-planes each. An S-cell
weighs the excitation e from a small area of all planes of the layer before against an inhibition v, the root
mean square of the same area, through a shunt: relu((1 + e) / (1 + v) - 1), which is relu((e - v) / (1 + v)).
A C-cell blurs its S-plane and saturates: p / (1 + p).

Not the paper's: the excitatory weights are a free 5x5 convolution with bias, learned by back-propagation,
where the paper has non-negative ones reinforced without a teacher, a trained inhibitory weight for each
plane, and a factor for selectivity; the areas are uniform averages; C-cells see one S-plane each, pool 2x2
with stride 2, and are not inhibited; a global average and a dense layer read the classes out. With u the
incoming map:

    e = 5x5 convolution of u, 24 planes, stride 1, zeros around, bias
    v = sqrt(A(mean over the planes of u^2) + 1e-4), A the 5x5 average at stride 1; at a border the average is
        over the positions inside
    s = relu((e - v) / (1 + v))
    p = 2x2 average of s at stride 2 (an odd last row or column is left out), c = p / (1 + |p|)

Parameters: 29,722.
Shapes (channels x height x width): 1x28x28, s1 24x28x28, c1 24x14x14, s2 24x14x14, c2 24x7x7, s3 24x7x7, c3
24x3x3, gap 24x1x1, 10.
"""

import torch
from torch import nn


class V(nn.Module):
    """The inhibiting cells: one plane, the root mean square of all planes around each position."""

    def __init__(self):
        super().__init__()
        self.average = nn.AvgPool2d(5, stride=1, padding=2, count_include_pad=False)

    def forward(self, u):
        # The constant keeps the gradient of the root finite where the incoming map is all zero.
        return torch.sqrt(self.average(u.square().mean(dim=1, keepdim=True)) + 1e-4)


class S(nn.Module):
    def __init__(self, inputs, planes):
        super().__init__()
        self.conv = nn.Conv2d(inputs, planes, 5, padding=2)
        self.v = V()
        self.relu = nn.ReLU()

    def forward(self, u):
        e = self.conv(u)
        v = self.v(u)
        return self.relu((e - v) / (1 + v))


class C(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(2)

    def forward(self, s):
        p = self.pool(s)
        return p / (1 + p.abs())


class Neocognitron(nn.Module):
    def __init__(self, classes=10, planes=24):
        super().__init__()
        self.s1, self.c1 = S(1, planes), C()
        self.s2, self.c2 = S(planes, planes), C()
        self.s3, self.c3 = S(planes, planes), C()
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(planes, classes)

    def forward(self, x):
        x = self.c1(self.s1(x))
        x = self.c2(self.s2(x))
        x = self.c3(self.s3(x))
        return self.fc(self.flatten(self.gap(x)))
