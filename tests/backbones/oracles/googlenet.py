"""GoogLeNet of C. Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842: table 1, figure 3 and
section 5.

Reading. Table 1 has the widths; a block's row reads 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool
projection. Figure 2b has the block: the four branches see the same map, the fourth through a 3x3 max pool
at stride 1, and are joined in this order. "All the convolutions, including those inside the Inception
modules, use rectified linear activation" (section 5), the reductions and projections too. Figure 3: pool,
then normalisation after the 7x7 convolution; normalisation, then pool after the 3x3 one. Convolutions
keep the size or halve it, so they are padded by half their kernel; they have biases. Section 5: the
average pool covers the whole last map, then come dropout of 40 % and a linear layer.

The two auxiliary heads see the outputs of 4a and 4d: average pool of 5x5 at stride 3, valid in figure 3;
1x1 convolution of 128 and ReLU; fully connected layer of 1024 and ReLU; dropout of 70 %; linear layer.
Here they run whenever they exist, in evaluation too; forward returns the main logits alone.

The paper leaves open what a pool does at the border and the constants of the normalisation. Both are
taken from the network as it is given for Caffe (bvlc_googlenet): 3x3 pools at stride 2 have no padding
and round their size up, and the window may reach over the last row (112 to 56, 113 to 56); normalisation
is over 5 channels, alpha 1e-4, of which each squared value gets a fifth, beta 0.75, k = 1.

The arguments make a smaller network of the same form. `stem` has the widths of the three first
convolutions, `widths` a table a stage; blocks are named as in the paper: the stages count from 3, the
letters from a. `heads` are the two blocks that auxiliary heads see, `places` the size of their pooled
maps: 16 (4x4) at 224 pixels, 1 at 96.

Parameters: 6,998,552; with auxiliary heads 13,378,280.
Shapes (channels x height x width): 3x224x224, relu1 64x112x112, pool1 and norm1 64x56x56, relu2_reduce
64x56x56, relu2 and norm2 192x56x56, pool2 192x28x28, inception3a 256x28x28, inception3b 480x28x28, pool3
480x14x14, inception4a to 4c 512x14x14, inception4d 528x14x14, inception4e 832x14x14, pool4 832x7x7,
inception5a 832x7x7, inception5b 1024x7x7, average 1024x1x1, classifier 1000; auxiliary1.average 512x4x4,
auxiliary2.average 528x4x4, their conv 128x4x4, hidden 1024, classifier 1000.
"""

import torch
from torch import nn

STEM = (64, 64, 192)
WIDTHS = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


def halved():
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def normalisation():
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


class Inception(nn.Module):
    """Figure 2b."""

    def __init__(self, inputs, one, three_reduce, three, five_reduce, five, project):
        super().__init__()
        self.outputs = one + three + five + project
        self.conv1 = nn.Conv2d(inputs, one, 1)
        self.relu1 = nn.ReLU()
        self.conv3_reduce = nn.Conv2d(inputs, three_reduce, 1)
        self.relu3_reduce = nn.ReLU()
        self.conv3 = nn.Conv2d(three_reduce, three, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv5_reduce = nn.Conv2d(inputs, five_reduce, 1)
        self.relu5_reduce = nn.ReLU()
        self.conv5 = nn.Conv2d(five_reduce, five, 5, padding=2)
        self.relu5 = nn.ReLU()
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.project = nn.Conv2d(inputs, project, 1)
        self.relu_project = nn.ReLU()

    def forward(self, x):
        one = self.relu1(self.conv1(x))
        three = self.relu3(self.conv3(self.relu3_reduce(self.conv3_reduce(x))))
        five = self.relu5(self.conv5(self.relu5_reduce(self.conv5_reduce(x))))
        pooled = self.relu_project(self.project(self.pool(x)))
        return torch.cat([one, three, five, pooled], dim=1)


class Auxiliary(nn.Module):
    """A head on the side, section 5."""

    def __init__(self, inputs, classes, hidden, places):
        super().__init__()
        self.average = nn.AvgPool2d(5, stride=3)
        self.conv = nn.Conv2d(inputs, 128, 1)
        self.relu_conv = nn.ReLU()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(128 * places, hidden)
        self.relu_hidden = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, x):
        x = self.flatten(self.relu_conv(self.conv(self.average(x))))
        return self.classifier(self.dropout(self.relu_hidden(self.hidden(x))))


class GoogLeNet2014(nn.Module):
    def __init__(
        self,
        widths=WIDTHS,
        stem=STEM,
        classes=1000,
        auxiliary=False,
        hidden=1024,
        heads=("4a", "4d"),
        places=16,
    ):
        super().__init__()
        first, reduced, second = stem
        self.conv1 = nn.Conv2d(3, first, 7, stride=2, padding=3)
        self.relu1 = nn.ReLU()
        self.pool1 = halved()
        self.norm1 = normalisation()
        self.conv2_reduce = nn.Conv2d(first, reduced, 1)
        self.relu2_reduce = nn.ReLU()
        self.conv2 = nn.Conv2d(reduced, second, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.norm2 = normalisation()
        # What follows the stem, in order, and which head sees which block's output.
        self.order, self.heads = [], {}
        channels = second
        for number, rows in enumerate(widths, start=3):
            self.add_module(f"pool{number - 1}", halved())
            self.order.append(f"pool{number - 1}")
            for letter, row in zip("abcdefgh"[: len(rows)], rows, strict=True):
                block = Inception(channels, *row)
                channels = block.outputs
                self.add_module(f"inception{number}{letter}", block)
                self.order.append(f"inception{number}{letter}")
                if auxiliary and f"{number}{letter}" in heads:
                    head = f"auxiliary{heads.index(f'{number}{letter}') + 1}"
                    self.add_module(head, Auxiliary(channels, classes, hidden, places))
                    self.heads[f"inception{number}{letter}"] = head
        if auxiliary and len(self.heads) != len(heads):
            raise ValueError(f"heads {heads}: not all are blocks of this network")
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.norm1(self.pool1(self.relu1(self.conv1(x))))
        x = self.norm2(self.relu2(self.conv2(self.relu2_reduce(self.conv2_reduce(x)))))
        for name in self.order:
            x = self.get_submodule(name)(x)
            if name in self.heads:
                self.get_submodule(self.heads[name])(x)
        return self.classifier(self.dropout(self.flatten(self.average(x))))
