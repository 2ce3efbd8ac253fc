"""Solutions to the exercises of notebook 02."""

import torch

import course
from csalgan.figures import architecture
from csalgan.models import PaperDiscriminator, PaperGenerator

answers = {}

# 02-1: a quarter of the places, each at the same cost.
generator = PaperGenerator(text_dim=512)


def macs(size):
    layers = architecture.trace(generator, torch.zeros(1, 3, size, size), torch.zeros(1, 512))
    return sum(layer.macs for layer in layers)


answers["02-1"] = macs(128) / macs(64)

# 02-2: the convolutions stay, the last layer has a quarter of the weights.
discriminator = PaperDiscriminator(256)
convolutions = sum(parameter.numel() for parameter in discriminator.features.parameters())
answers["02-2"] = convolutions + discriminator.decide.weight.numel() // 4 + 1


# 02-3: the text lies channel by channel, as the weights do.
def text_as_matrix(generator, text):
    layer = generator.text_feature_conv
    return text @ layer.weight.flatten(1).T + layer.bias


answers["02-3"] = text_as_matrix


# 02-4: a kernel reaches (kernel - 1) steps; a stride makes the next steps longer.
def field(layers):
    seen, step = 1, 1
    for kernel, stride in layers:
        seen += (kernel - 1) * step
        step *= stride
    return seen


answers["02-4"] = field

for exercise, answer in answers.items():
    print(course.check(exercise, answer))
