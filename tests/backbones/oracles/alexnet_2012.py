"""The network of A. Krizhevsky, I. Sutskever, G. E. Hinton, ImageNet Classification with Deep Convolutional
Neural Networks, NIPS 2012, with its split over two GPUs.

Reading. Section 3.5 and figure 2: five convolutions and three dense layers, all with bias; ReLU after each
but the last. The kernels of the second, fourth and fifth convolution see only the maps on their own GPU:
groups=2. Response normalisation (section 3.3, after the ReLU) follows the first and the second convolution;
max pooling of 3x3 at stride 2 (section 3.4) follows both normalisations and the fifth convolution. Section
3.3: b = a / (k + alpha * sum of a^2 over n adjacent maps)^beta with k=2, n=5, alpha=1e-4, beta=0.75. The sum
is not divided by n (PyTorch's own layer divides). The window is cut off at the first and at the last of the N
maps, N "the total number of kernels in the layer": so it reaches over the border between the GPUs. Section
4.2: dropout sets to zero "the output of each hidden neuron" of the first two dense layers, with probability
0.5: it stands after their ReLU.

The paper says the input is 224x224, but an 11x11 convolution at stride 4 without padding gives the 55x55 maps
of figure 2 from 227x227: 227 it is. The sizes 27 and 13 need a padding of 2, 1, 1 and 1 in the other
convolutions. Flatten is in the order channel, row, column.

The arguments widths and dense make a thinner net of the same form; all widths must be even.

Parameters: 60,965,224.
Shapes (channels x height x width): 3x227x227, relu1 and norm1 96x55x55, pool1 96x27x27, relu2 and norm2
256x27x27, pool2 256x13x13, relu3 384x13x13, relu4 384x13x13, relu5 256x13x13, pool5 256x6x6, flatten 9216,
relu6 4096, relu7 4096, fc8 1000.
"""

import torch.nn.functional as F
from torch import nn


class ResponseNorm(nn.Module):
    """Section 3.3: each value divided by a power of the sum of squares of its neighbours across the maps."""

    def __init__(self, k=2.0, n=5, alpha=1e-4, beta=0.75):
        super().__init__()
        self.k, self.n, self.alpha, self.beta = k, n, alpha, beta

    def forward(self, a):
        maps = a.shape[1]
        # Zero maps before the first and after the last stand for the end of the window.
        squares = F.pad(a.square(), (0, 0, 0, 0, self.n // 2, self.n // 2))
        total = sum(squares[:, shift : shift + maps] for shift in range(self.n))
        return a / (self.k + self.alpha * total) ** self.beta


class AlexNet2012(nn.Module):
    def __init__(self, classes=1000, widths=(96, 256, 384, 384, 256), dense=4096):
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.conv1 = nn.Conv2d(3, w1, 11, stride=4)
        self.relu1 = nn.ReLU()
        self.norm1 = ResponseNorm()
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.conv2 = nn.Conv2d(w1, w2, 5, padding=2, groups=2)
        self.relu2 = nn.ReLU()
        self.norm2 = ResponseNorm()
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.conv3 = nn.Conv2d(w2, w3, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(w3, w4, 3, padding=1, groups=2)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(w4, w5, 3, padding=1, groups=2)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(w5 * 6 * 6, dense)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(dense, dense)
        self.relu7 = nn.ReLU()
        self.drop7 = nn.Dropout(0.5)
        self.fc8 = nn.Linear(dense, classes)

    def forward(self, x):
        x = self.pool1(self.norm1(self.relu1(self.conv1(x))))
        x = self.pool2(self.norm2(self.relu2(self.conv2(x))))
        x = self.relu4(self.conv4(self.relu3(self.conv3(x))))
        x = self.pool5(self.relu5(self.conv5(x)))
        x = self.drop6(self.relu6(self.fc6(self.flatten(x))))
        x = self.drop7(self.relu7(self.fc7(x)))
        return self.fc8(x)
