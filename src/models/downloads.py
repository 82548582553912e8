"""The libraries' own weights: found in the caches of torch and of the Hugging Face hub, or put there."""

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from src import artifacts, network
from src.errors import InputError

HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def fetch_torchvision(name: str) -> Path:
    """Where torchvision's own weights for a network lie.

    Raises:
        InputError: they cannot be downloaded, or are not what they should be.
    """
    from torchvision.models import get_model_weights

    return _fetch_address(get_model_weights(name).DEFAULT.url)


def fetch_timm(model: str, config: Any) -> Path:
    """Where timm's own weights for a network lie.

    Args:
        model: as in params.yaml, for messages.
        config: timm's description of the weights.

    Raises:
        InputError: there are none, they cannot be downloaded, or are not what they should be.
    """
    if not config.has_weights:
        raise InputError(f"weights: timm has none for {model}; set weights to none, or to a file")
    if not config.hf_hub_id:
        return _fetch_address(config.url)
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import RemoteEntryNotFoundError

    repository, _, revision = config.hf_hub_id.partition("@")
    names = [config.hf_hub_filename] if config.hf_hub_filename else list(HUB_FILES)
    for name in names:
        cached = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(cached, str):
            return _checked(Path(cached), Path(cached).resolve().name)
    try:
        network.reach(constants.ENDPOINT)  # the hub's own client would try for a minute
        for name in names[:-1]:
            try:
                return Path(hf_hub_download(repository, name, revision=revision or None))
            except RemoteEntryNotFoundError:
                continue
        return Path(hf_hub_download(repository, names[-1], revision=revision or None))
    except Exception as error:  # no network, no space, no permission: all end here
        address = f"{constants.ENDPOINT}/{repository}/resolve/{revision or 'main'}/{names[0]}"
        reason = network.explain(error, address)
        raise InputError(
            f"weights: {address} cannot be downloaded ({reason}); fetch it elsewhere and "
            "set weights to that file"
        ) from error


def _fetch_address(address: str) -> Path:
    """The file in the cache of torch.hub, which takes one that is there for what it should be."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name
    checksum = path.stem.rpartition("-")[2]
    if path.exists():
        return _checked(path, checksum)
    remedy = f"fetch it elsewhere and put it at {path}"
    with artifacts.atomic_file(path) as temporary:
        try:
            network.download_file(address, temporary)
        except network.SourceError as error:
            raise InputError(f"weights: {address} cannot be downloaded ({error}); {remedy}") from error
        if not _matches(temporary, checksum):
            raise InputError(f"weights: {address}: checksum mismatch, something else was sent; {remedy}")
    return path


def _checked(path: Path, checksum: str) -> Path:
    if not _matches(path, checksum):
        raise InputError(f"weights: {path}: checksum mismatch; delete it, and it will be downloaded again")
    return path


def _matches(path: Path, checksum: str) -> bool:
    """Whether the file's SHA-256 begins with a checksum; anything else is taken for no checksum."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", checksum):
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(checksum)
