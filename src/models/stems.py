"""A first convolution that keeps the size of small images."""

import warnings

import torch
from torch import Tensor, nn

SMALL = 64  # pixels; smaller images get the small stem where nothing else is asked for
LARGEST_STRIDE = 4  # larger ones cut the picture into patches: other patches are another network


def make_small(backbone: nn.Module, example: Tensor) -> bool:
    """Let the first convolution step by one pixel, and leave out the max-pool that follows it.

    Both keep the weights usable: what the filters look for is found at more places.

    Args:
        backbone: a network in evaluation mode.
        example: one image that it takes.

    Returns:
        Whether there was such a convolution and the network works without its stride; else it is unchanged.
    """
    names = {module: name for name, module in backbone.named_modules()}
    steps: list[nn.Module] = []
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [
        module.register_forward_hook(lambda module, *_: steps.append(module))
        for module in names
        if isinstance(module, kinds) and _stride(module) > 1
    ]
    with torch.no_grad():
        backbone(example)
    for hook in hooks:
        hook.remove()
    first = steps[0] if steps else None
    if not isinstance(first, nn.Conv2d) or first.in_channels != 3 or _stride(first) > LARGEST_STRIDE:
        return False
    before = first.stride, first.padding
    first.stride = (1, 1)
    if type(first) is nn.Conv2d:  # others in timm pad by themselves
        even = any(side % 2 == 0 for side in first.kernel_size)
        first.padding = "same" if even else tuple(side // 2 for side in first.kernel_size)
    pool = steps[1] if len(steps) > 1 and isinstance(steps[1], nn.MaxPool2d) else None
    if pool is not None:
        backbone.set_submodule(names[pool], nn.Identity())
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch tells once that even filters cost a copy
            backbone(example)
    except Exception:  # whatever a library raises where sizes do not fit
        first.stride, first.padding = before
        if pool is not None:
            backbone.set_submodule(names[pool], pool)
        return False
    return True


def _stride(module: nn.Module) -> int:
    stride = module.stride
    return max(stride) if isinstance(stride, tuple) else int(stride)  # type: ignore[arg-type]
