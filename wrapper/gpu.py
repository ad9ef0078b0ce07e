"""Which words of ``create`` give a container the GPU that the client has chosen for the job.

Knows the client's names for GPUs (``gpu_type`` and ``gpu_device_num`` of init_data.xml) and each
engine's way to hand one in. Does not look at any device.
"""

from __future__ import annotations

from wrapper.engine.answers import EngineKind

_MAKERS = {
    "nvidia": ("nvidia", "cuda"),
    "amd": ("amd", "ati", "cal", "advanced micro devices", "amd/ati", "radeon"),
    "intel": ("intel", "intel_gpu"),
}


class UnknownGpu(Exception):
    """No way is known to give such a GPU to a container."""


def gpu_words(kind: EngineKind, gpu_type: str, device: int) -> tuple[str, ...]:
    """The words for one GPU.

    ``gpu_type`` is NVIDIA, ATI, intel_gpu or a vendor's name ("Advanced Micro Devices, Inc.");
    ``device`` is the client's number, or negative when it named none. The devices of AMD and Intel
    are not numbered as the client numbers them, so such a container sees all of them, and the job
    takes its number from init_data.xml as it would outside.

    Raises:
        UnknownGpu: the type is none of these, or the client gave the job no GPU.
    """
    maker = _maker(gpu_type)
    if maker == "nvidia":
        which = str(device) if device >= 0 else "all"
        if kind is EngineKind.PODMAN:
            return ("--device", f"nvidia.com/gpu={which}")
        return ("--gpus", f"device={which}" if device >= 0 else "all")
    if maker == "amd":
        return ("--device", "/dev/kfd", "--device", "/dev/dri")
    return ("--device", "/dev/dri")


def _maker(gpu_type: str) -> str:
    name = gpu_type.strip().lower()
    for maker, beginnings in _MAKERS.items():
        if any(_begins(name, beginning) for beginning in beginnings):
            return maker
    if not name:
        raise UnknownGpu("job.toml asks for a GPU (use_gpu), but the client gave this job none: "
                         "the application's plan class must ask for one")
    raise UnknownGpu(f"no way is known to give a GPU of type {gpu_type!r} to a container; "
                     "NVIDIA, AMD (ATI) and Intel are known")


def _begins(name: str, beginning: str) -> bool:
    """Whether the name starts with this whole word: "AMD X" with "amd", not "Atilla" with "ati"."""
    return name.startswith(beginning) and not name[len(beginning):][:1].isalnum()
