"""Which words give a container its GPU."""

from __future__ import annotations

import pytest

from wrapper.engine.answers import EngineKind
from wrapper.gpu import UnknownGpu, gpu_words

DOCKER, PODMAN = EngineKind.DOCKER, EngineKind.PODMAN


@pytest.mark.parametrize("name", ["NVIDIA", "nvidia", "NVIDIA Corporation", "CUDA"])
def test_docker_gets_one_nvidia_gpu_by_its_number(name: str) -> None:
    assert gpu_words(DOCKER, name, 1) == ("--gpus", "device=1")


def test_podman_gets_one_nvidia_gpu_the_cdi_way() -> None:
    assert gpu_words(PODMAN, "NVIDIA", 0) == ("--device", "nvidia.com/gpu=0")


def test_without_a_number_every_nvidia_gpu_is_given() -> None:
    assert gpu_words(DOCKER, "NVIDIA", -1) == ("--gpus", "all")
    assert gpu_words(PODMAN, "NVIDIA", -1) == ("--device", "nvidia.com/gpu=all")


@pytest.mark.parametrize("kind", list(EngineKind))
@pytest.mark.parametrize("name", ["ATI", "AMD", "Advanced Micro Devices, Inc.", "ATI Radeon"])
def test_an_amd_gpu_is_kfd_and_dri(kind: EngineKind, name: str) -> None:
    assert gpu_words(kind, name, 2) == ("--device", "/dev/kfd", "--device", "/dev/dri")


@pytest.mark.parametrize("kind", list(EngineKind))
@pytest.mark.parametrize("name", ["intel_gpu", "Intel(R) Corporation", "Intel"])
def test_an_intel_gpu_is_dri(kind: EngineKind, name: str) -> None:
    assert gpu_words(kind, name, 0) == ("--device", "/dev/dri")


@pytest.mark.parametrize("name", ["Apple", "Attila Graphics", "amdahl"])
def test_an_unknown_gpu_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnknownGpu, match=name):
        gpu_words(DOCKER, name, 0)


def test_no_gpu_from_the_client_is_said_in_words() -> None:
    with pytest.raises(UnknownGpu, match="the client gave this job none"):
        gpu_words(DOCKER, "", 0)
