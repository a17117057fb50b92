"""torchvision's functional transforms, the second version of the transforms, and the small networks."""

import numpy as np
import torch
import torchvision
import torchvision.transforms.functional as TF
from PIL import Image
from torchvision.transforms import v2

rng = np.random.RandomState(2)
photo = Image.fromarray(rng.randint(0, 256, (20, 30, 3), dtype=np.uint8))
tensor = TF.pil_to_tensor(photo)

for picture in (photo, tensor):
    changed = [
        TF.hflip(picture),
        TF.vflip(picture),
        TF.crop(picture, 3, 4, 10, 12),
        TF.center_crop(picture, [40, 8]),
        TF.pad(picture, [1, 2], padding_mode="edge"),
        TF.adjust_brightness(picture, 1.4),
        TF.adjust_contrast(picture, 0.6),
        TF.adjust_saturation(picture, 1.3),
        TF.adjust_hue(picture, 0.1),
        TF.adjust_gamma(picture, 0.7),
        TF.adjust_sharpness(picture, 2.0),
        TF.rgb_to_grayscale(picture),
        TF.invert(picture),
        TF.posterize(picture, 3),
        TF.solarize(picture, 128),
        TF.autocontrast(picture),
        TF.equalize(picture),
        TF.gaussian_blur(picture, [5, 3]),
        *TF.five_crop(picture, [7, 9]),
    ]
    print([int(np.asarray(x).astype(np.int64).sum()) for x in changed])
print(np.asarray(TF.rotate(photo, 30, expand=True)).sum(), np.asarray(TF.affine(photo, 10, [2, 1], 1.1, [3, 0])).sum())

prepare = v2.Compose(
    [v2.ToImage(), v2.Resize((16, 24)), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.2])]
)
print(list(prepare(photo.convert("L")).shape), float(prepare(photo.convert("L")).mean()) < 1)

for name in ("mobilenet_v2", "mobilenet_v3_small", "densenet121", "efficientnet_b0"):
    net = torchvision.models.get_model(name, weights=None, num_classes=4)
    with torch.no_grad():
        for i, (_, parameter) in enumerate(net.named_parameters()):
            values = np.sin(np.arange(parameter.numel()) * 0.37 + i).reshape(parameter.shape) * 0.1
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))
    out = net.eval()(torch.from_numpy(rng.rand(2, 3, 64, 64).astype(np.float32)))
    print(name, len(net.state_dict()), [float(value) for value in out.flatten()])
weights = torchvision.models.get_weight("ResNet50_Weights.IMAGENET1K_V2")
print(weights, weights.meta["categories"][207], weights.transforms().crop_size, weights.url)
