"""The networks of torchvision and timm: all are known and build, and the small ones do their work."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from src.errors import InputError
from src.evaluation.inference import Answerer
from src.explanation.gradcam import gradcam
from src.models import library_sizes
from src.models.layers import choose_layers, find_layer, model_layers
from src.models.library import AveragePool, LibraryModel
from src.models.library_sizes import input_size, known_names
from src.models.registry import create_model


@pytest.fixture
def _meta(monkeypatch):
    """Networks without memory for their weights, so that the largest build in a moment."""
    from torchvision.models import regnet

    plan = regnet.BlockParams.from_init_params.__func__

    def on_cpu(cls, *args, **options):  # it computes widths with tensors
        with torch.device("cpu"):
            return plan(cls, *args, **options)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", classmethod(on_cpu))
    with torch.device("meta"):
        yield


SIZES = (
    "test_",
    "atto",
    "femto",
    "pico",
    "nano",
    "xxs",
    "xxt",
    "zepto",
    "_xs",
    "tiny",
    "_s",
    "small",
    "_0",
    "18",
    "",
)


def one_of_each_module() -> list[str]:
    """The name of a small network of every module of timm: each module has its own way to build one."""
    from timm.models import list_models, list_modules

    names = [list_models(module=module) for module in list_modules()]
    return [
        min(some, key=lambda name: min(i for i, s in enumerate(SIZES) if s in name)) for some in names if some
    ]


def check_build(name):
    model = create_model(name, 7)
    assert isinstance(model, LibraryModel)
    assert model.head.out_features == 7
    assert model.training
    return model


@pytest.mark.usefixtures("_meta")
@pytest.mark.parametrize("name", known_names("torchvision"))
def test_every_network_of_torchvision_builds(name):
    assert check_build(f"torchvision/{name}").cam_layers


@pytest.mark.usefixtures("_meta")
@pytest.mark.parametrize("name", one_of_each_module())
def test_a_network_of_every_module_of_timm_builds(name):
    assert check_build(f"timm/{name}").cam_layers


def test_every_network_of_timm_is_known():
    names = known_names("timm")
    assert len(names) > 1000
    for name in names:
        size = input_size(f"timm/{name}", "default")
        assert size is not None
        assert size[0] >= 32
        assert size[1] in ("bilinear", "bicubic")


# name → the side of images to train on, small enough to be quick
SMALL = {
    "torchvision/resnet18": 32,
    "torchvision/mobilenet_v3_small": 64,
    "torchvision/shufflenet_v2_x0_5": 64,
    "torchvision/squeezenet1_1": 64,
    "torchvision/regnet_y_400mf": 64,
    "torchvision/mnasnet0_5": 64,
    "torchvision/googlenet": 64,
    "torchvision/swin_t": 64,
    "torchvision/vit_b_32": 96,
    "torchvision/densenet121": 32,
    "timm/efficientnet_b0": 64,
    "timm/convnext_atto": 64,
    "timm/vit_tiny_patch16_224": 64,
    "timm/deit_tiny_distilled_patch16_224": 64,
    "timm/swin_tiny_patch4_window7_224": 64,
    "timm/ghostnet_050": 64,
    "timm/mambaout_femto": 64,
    "timm/resmlp_12_224": 64,
    "timm/xcit_nano_12_p16_224": 64,
    "timm/levit_128s": 64,
}


@pytest.fixture(scope="module", params=SMALL.items(), ids=SMALL)
def small(request):
    """A small network after one step, and its images."""
    (name, size) = request.param
    torch.manual_seed(0)
    model = create_model(name, 5, size=size)
    images, labels = torch.randn(6, 3, size, size), torch.arange(6) % 5
    before = {key: value.clone() for key, value in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    moved = {key for key, value in model.named_parameters() if not torch.equal(value, before[key])}
    return name, model.eval(), images, moved


def by_hand(model, name, images, target):
    """Grad-CAM by autograd alone: the block's own output is made into maps here."""
    kind, _, key = name.partition(".")
    blocks = {module.replace(".", "_"): block for module, block in model.backbone.named_modules()}
    block = blocks[key] if kind == "maps" else model.get_submodule(name)
    taken = []
    hook = block.register_forward_hook(lambda *args: taken.append(args[2]))
    logits = model(images)
    hook.remove()
    (output,) = taken
    (gradient,) = torch.autograd.grad(logits[:, target].sum(), output)
    if kind == "maps" and output.dim() == 4:
        output, gradient = output.permute(0, 3, 1, 2), gradient.permute(0, 3, 1, 2)
    elif kind == "maps":
        side = int(output.shape[1] ** 0.5)
        shape = (len(images), side, side, output.shape[2])
        output, gradient = (
            x[:, -side * side :].reshape(shape).permute(0, 3, 1, 2) for x in (output, gradient)
        )
    return (output * gradient.mean((2, 3), keepdim=True)).sum(1).detach().numpy()


def test_one_step_changes_the_network_and_its_map_matches_autograd(small):
    _, model, images, moved = small
    weights = dict(model.named_parameters())
    assert len(moved) > 0.4 * len(weights)  # branches that begin at zero hide what is before them
    assert {"linear.weight", "linear.bias", next(iter(weights))} <= moved
    layers = model_layers(model, images[:1])
    assert 1 <= len(layers) <= 4
    chosen = choose_layers("auto", model, images[:1])
    assert chosen[0] in layers
    for layer in layers:
        maps, _ = gradcam(Answerer(model, nn.Identity(), "none"), layer, images, np.full(len(images), 3))
        assert maps.shape == (len(images), layer.height, layer.width)
        assert np.abs(maps).max() > 0, layer
        expected = by_hand(model, layer.name, images, 3)
        np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_logits_are_the_head_of_the_features(small):
    _, model, images, _ = small
    with torch.inference_mode():
        features = model.features(images)
        assert features.shape == (len(images), model.head.in_features)
        assert torch.equal(model.head(features), model(images))
        # Each image is judged by itself.
        assert torch.allclose(model(images)[2:3], model(images[2:3]), atol=1e-4)
    own = {id(weights) for weights in model.backbone_parameters()}
    assert own == {id(weights) for weights in model.parameters()} - {id(w) for w in model.head.parameters()}


def test_a_copy_has_its_own_taps(small):
    """The moving average of the weights is a copy; hooks that pointed back would show the original."""
    _, model, images, _ = small
    other = copy.deepcopy(model.train()).eval()  # LeViT caches tensors in evaluation mode
    with torch.no_grad():
        for weights in other.parameters():
            weights.mul_(0.9)
    for name in (name for name in model.cam_layers if name.startswith("maps.")):
        expected = by_hand(other, name, images[:2], 0)
        layer = find_layer(other, name, images[:1])
        asked = Answerer(other, nn.Identity(), "none")
        maps, _ = gradcam(asked, layer, images[:2], np.zeros(2, np.int64))
        np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_looking_at_a_tap_changes_no_result():
    torch.manual_seed(0)
    model = create_model("timm/vit_tiny_patch16_224", 5, size=32).eval()
    image = torch.randn(2, 3, 32, 32)
    before = model(image)
    hook = model.get_submodule(model.cam_layers[-1]).register_forward_hook(lambda *_: None)
    assert torch.equal(model(image), before)
    hook.remove()


def test_taps_are_not_in_the_state():
    model = create_model("timm/vit_tiny_patch16_224", 5, size=32)
    assert model.cam_layers[0].startswith("maps.")
    assert all(key.startswith(("backbone.", "linear.")) for key in model.state_dict())


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        (
            "torchvision/resnet19",
            "torchvision has no classification network 'resnet19'; did you mean 'resnet1",
        ),
        ("torchvision/fcn_resnet50", "torchvision has no classification network"),
        ("torchvision/resnet18.tv_in1k", "torchvision has no classification network"),
        ("timm/eficientnet_b0", "did you mean .*'efficientnet_b0'"),
        ("timm/resnet18.mine", "timm has no weights 'mine' for resnet18; it has a1_in1k, "),
        ("timm/zzzz", "timm has no classification network 'zzzz'"),
        ("resnet19", "model: 'resnet19' is not known; did you mean 'resnet18'"),
    ],
)
def test_unknown_names(name, suggestion):
    with pytest.raises(InputError, match=suggestion):
        create_model(name, 5)


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        ("torchvision/inception_v3", 74, "takes no 74×74 images; set images.size to 75 or more"),
        ("torchvision/vit_b_32", 100, "images.size: .* takes no 100×100 images .* set images.size to 224"),
        ("torchvision/maxvit_t", 64, "images.size: .* takes no 64×64 images .* set images.size to 224"),
    ],
)
def test_sizes_that_do_not_fit(name, size, line):
    with pytest.raises(InputError, match=line) as caught:
        create_model(name, 5, size=size)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "weights", "size"),
    [
        ("resnet18", "none", None),
        ("torchvision/resnet18", "none", None),
        ("torchvision/resnet18", "default", (224, "bilinear")),
        ("torchvision/vit_h_14", "default", (518, "bicubic")),
        ("torchvision/vit_h_14", "none", (224, "bicubic")),
        ("torchvision/inception_v3", "weights.pt", (299, "bilinear")),
        ("timm/tf_efficientnet_lite0", "weights.pt", (224, "bicubic")),
        ("timm/vit_tiny_patch16_384", "none", (384, "bicubic")),
        ("timm/resnet18.a1_in1k", "none", None),
    ],
)
def test_the_size_that_fits_a_model(name, weights, size):
    assert input_size(name, weights) == size


def test_sizes_need_no_torch_to_be_imported():
    code = "import sys, src.models.library_sizes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_statistics_of_timm_are_the_networks_own():
    own = library_sizes.native("timm/tf_efficientnet_lite0")
    assert (own.mean, own.std, own.size) == ((0.5,) * 3, (0.5,) * 3, 224)


@pytest.mark.parametrize(
    ("name", "size", "stem", "side"),
    [
        ("torchvision/resnet18", 32, "auto", 32),
        ("torchvision/resnet18", 32, "original", 16),
        ("torchvision/resnet18", 64, "auto", 16),
        ("torchvision/resnet18", 64, "small", 64),
        ("timm/test_vit", 32, "auto", 2),  # nothing to change
        ("timm/resnet18d", 32, "small", 32),  # three convolutions, the first of which has a stride
        ("timm/convnext_atto", 32, "small", 32),  # patches of 4×4 that overlap now
        ("timm/tf_efficientnet_lite0", 32, "small", 16),  # pads by itself
    ],
)
def test_the_stem(name, size, stem, side):
    model = create_model(name, 5, size=size, stem=stem)
    assert model_layers(model, torch.zeros(1, 3, size, size))[0].height == side
    original = create_model(name, 5, size=size, stem="original")
    shapes = [{key: value.shape for key, value in m.state_dict().items()} for m in (model, original)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["torchvision/vgg11", "timm/vit_tiny_patch16_224"])
def test_no_stem_to_change(name):
    with pytest.raises(InputError, match=r"stem: 'small', but .* no strided first convolution"):
        create_model(name, 5, size=96, stem="small")


def test_the_pool_is_that_of_torch_with_a_deterministic_backward_pass():
    maps = torch.randn(2, 3, 9, 5, dtype=torch.float64, requires_grad=True)
    pooled = [pool(maps) for pool in (nn.AdaptiveAvgPool2d((7, 3)), AveragePool(7, 3))]
    assert torch.allclose(*pooled)
    weights = torch.randn_like(pooled[0])
    assert torch.allclose(*[torch.autograd.grad((p * weights).sum(), maps)[0] for p in pooled])


def test_pools_are_replaced():
    with torch.device("meta"):
        model = create_model("torchvision/alexnet", 5, size=64)
    assert not [module for module in model.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]


def test_no_layer_to_explain_is_said():
    model = create_model("torchvision/resnet18", 5, size=32)
    model.cam_layers = ()
    with pytest.raises(InputError, match=r"gradcam\.layers: auto finds no layer"):
        choose_layers("auto", model, torch.zeros(1, 3, 32, 32))
