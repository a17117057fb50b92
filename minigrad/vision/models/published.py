"""The weights that torchvision publishes, with its accuracies on ImageNet's validation images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from minigrad.vision.models.weights import Weights, WeightsEnum
from minigrad.vision.transforms.picture import InterpolationMode
from minigrad.vision.transforms.presets import ImageClassification

__all__ = [
    "AlexNet_Weights",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "GoogLeNet_Weights",
    "MobileNet_V2_Weights",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "ResNeXt50_32X4D_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "Wide_ResNet50_2_Weights",
]

ADDRESS = "https://download.pytorch.org/models/"
CLASSES = (Path(__file__).parent / "imagenet.txt").read_text("utf-8").splitlines()
BILINEAR, BICUBIC = InterpolationMode.BILINEAR, InterpolationMode.BICUBIC


def _imagenet(
    file: str,
    parameters: int,
    top1: float,
    top5: float,
    min_size: tuple[int, int],
    crop_size: int = 224,
    resize_size: int = 256,
    interpolation: InterpolationMode = BILINEAR,
) -> Weights:
    prepare = partial(ImageClassification, crop_size=crop_size, resize_size=resize_size, interpolation=interpolation)
    meta = {
        "categories": CLASSES,
        "num_params": parameters,
        "min_size": min_size,
        "_metrics": {"ImageNet-1K": {"acc@1": top1, "acc@5": top5}},
    }
    return Weights(ADDRESS + file, prepare, meta)


class AlexNet_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("alexnet-owt-7be5be79.pth", 61_100_840, 56.522, 79.066, (63, 63))
    DEFAULT = IMAGENET1K_V1


class DenseNet121_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet121-a639ec97.pth", 7_978_856, 74.434, 91.972, (29, 29))
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet161-8d451a50.pth", 28_681_000, 77.138, 93.56, (29, 29))
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet169-b2777c0a.pth", 14_149_480, 75.6, 92.806, (29, 29))
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("densenet201-c1103571.pth", 20_013_928, 76.896, 93.37, (29, 29))
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b0_rwightman-7f5810bc.pth", 5_288_548, 77.692, 93.532, (1, 1), interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b1_rwightman-bac287d4.pth", 7_794_184, 78.642, 94.186, (1, 1), 240, 256, interpolation=BICUBIC
    )
    IMAGENET1K_V2 = _imagenet("efficientnet_b1-c27df63c.pth", 7_794_184, 79.838, 94.934, (1, 1), 240, 255)
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b2_rwightman-c35c1473.pth", 9_109_994, 80.608, 95.31, (1, 1), 288, 288, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b3_rwightman-b3899882.pth", 12_233_232, 82.008, 96.054, (1, 1), 300, 320, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b4_rwightman-23ab8bcd.pth", 19_341_616, 83.384, 96.594, (1, 1), 380, 384, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b5_lukemelas-1a07897c.pth", 30_389_784, 83.444, 96.628, (1, 1), 456, 456, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b6_lukemelas-24a108a5.pth", 43_040_704, 84.008, 96.916, (1, 1), 528, 528, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b7_lukemelas-c5b4e57e.pth", 66_347_960, 84.122, 96.908, (1, 1), 600, 600, interpolation=BICUBIC
    )
    DEFAULT = IMAGENET1K_V1


class GoogLeNet_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("googlenet-1378be20.pth", 6_624_904, 69.778, 89.53, (15, 15))
    DEFAULT = IMAGENET1K_V1


class MobileNet_V2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("mobilenet_v2-b0353104.pth", 3_504_872, 71.878, 90.286, (1, 1))
    IMAGENET1K_V2 = _imagenet("mobilenet_v2-7ebf99e0.pth", 3_504_872, 72.154, 90.822, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("mobilenet_v3_large-8738ca79.pth", 5_483_032, 74.042, 91.34, (1, 1))
    IMAGENET1K_V2 = _imagenet("mobilenet_v3_large-5c1a4163.pth", 5_483_032, 75.274, 92.566, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("mobilenet_v3_small-047dcff4.pth", 2_542_856, 67.668, 87.402, (1, 1))
    DEFAULT = IMAGENET1K_V1


class ResNet18_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("resnet18-f37072fd.pth", 11_689_512, 69.758, 89.078, (1, 1))
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("resnet34-b627a593.pth", 21_797_672, 73.314, 91.42, (1, 1))
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("resnet50-0676ba61.pth", 25_557_032, 76.13, 92.862, (1, 1))
    IMAGENET1K_V2 = _imagenet("resnet50-11ad3fa6.pth", 25_557_032, 80.858, 95.434, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("resnet101-63fe2227.pth", 44_549_160, 77.374, 93.546, (1, 1))
    IMAGENET1K_V2 = _imagenet("resnet101-cd907fc2.pth", 44_549_160, 81.886, 95.78, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("resnet152-394f9c45.pth", 60_192_808, 78.312, 94.046, (1, 1))
    IMAGENET1K_V2 = _imagenet("resnet152-f82ba261.pth", 60_192_808, 82.284, 96.002, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("resnext50_32x4d-7cdf4587.pth", 25_028_904, 77.618, 93.698, (1, 1))
    IMAGENET1K_V2 = _imagenet("resnext50_32x4d-1a0047aa.pth", 25_028_904, 81.198, 95.34, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet50_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("wide_resnet50_2-95faca4d.pth", 68_883_240, 78.468, 94.086, (1, 1))
    IMAGENET1K_V2 = _imagenet("wide_resnet50_2-9ba9bcbe.pth", 68_883_240, 81.602, 95.758, (1, 1), 224, 232)
    DEFAULT = IMAGENET1K_V2


class VGG11_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg11-8a719046.pth", 132_863_336, 69.02, 88.628, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg11_bn-6002323d.pth", 132_868_840, 70.37, 89.81, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg13-19584684.pth", 133_047_848, 69.928, 89.246, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg13_bn-abd245e5.pth", 133_053_736, 71.586, 90.374, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg16-397923af.pth", 138_357_544, 71.592, 90.382, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg16_bn-6c64b313.pth", 138_365_992, 73.36, 91.516, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg19-dcbb9e9d.pth", 143_667_240, 72.376, 90.876, (32, 32))
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("vgg19_bn-c79401a0.pth", 143_678_248, 74.218, 91.842, (32, 32))
    DEFAULT = IMAGENET1K_V1


# by the name of the function that builds the model
PUBLISHED: dict[str, type[WeightsEnum]] = {
    kind.__name__.removesuffix("_Weights").lower(): kind for kind in WeightsEnum.__subclasses__()
}
