"""The libraries' own weights: found in the caches of torch and of the Hugging Face hub, or put there."""

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import requests
import torch

from src.errors import InputError

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
SECONDS = 10  # to wait for the hub's first answer: its own client tries for a minute


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
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, revision = config.hf_hub_id.partition("@")
    names = [config.hf_hub_filename] if config.hf_hub_filename else list(HUB_FILES)
    for name in names:
        cached = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(cached, str):
            return _checked(Path(cached), Path(cached).resolve().name)
    try:
        requests.head(constants.ENDPOINT, timeout=SECONDS)
        for name in names[:-1]:
            try:
                return Path(hf_hub_download(repository, name, revision=revision or None))
            except EntryNotFoundError:
                continue
        return Path(hf_hub_download(repository, names[-1], revision=revision or None))
    except Exception as error:  # no network, no space, no permission: all end here
        address = f"{constants.ENDPOINT}/{repository}/resolve/{revision or 'main'}/{names[0]}"
        raise InputError(
            f"weights: {address} cannot be downloaded ({_reason(error)}); fetch it elsewhere and set "
            "weights to that file"
        ) from error


def _fetch_address(address: str) -> Path:
    """As torch.hub does, which however takes a file that is there for what it should be."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name
    prefix = path.stem.rpartition("-")[2]
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(address, str(path))
        except Exception as error:  # no network, no space: all end here
            raise InputError(
                f"weights: {address} cannot be downloaded ({_reason(error)}); fetch it elsewhere and put it "
                f"at {path}"
            ) from error
    return _checked(path, prefix)


def _checked(path: Path, checksum: str) -> Path:
    """The path, if the file's SHA-256 begins with a checksum; anything else is taken for no checksum."""
    if re.fullmatch(r"[0-9a-f]{8,64}", checksum):
        with path.open("rb") as file:
            if not hashlib.file_digest(file, "sha256").hexdigest().startswith(checksum):
                raise InputError(
                    f"weights: {path}: checksum mismatch; delete it, and it will be downloaded again"
                )
    return path


def _reason(error: Exception) -> str:
    """What went wrong in a few words; requests wraps that in addresses and object numbers."""
    text = (str(error).splitlines() or [""])[0]
    known = re.search(r"Failed to [a-z]+ '[^']*'|\[Errno -?\d+\] [A-Za-z ]+", text)
    return known.group() if known else text[:120] or type(error).__name__
