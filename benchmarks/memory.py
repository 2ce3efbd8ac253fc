"""Peak memory of a training of each profile, two epochs of a few batches in a fresh process.

On the CPU the peak of the resident set, torch, the suite's modules and the text encoder included;
on a GPU what torch reserved of the device's memory as well. CLIP's weights are not asked for: its
profiles are given the hashing encoder, of the same width.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from csalgan.config import load_profile
from csalgan.data import open_dataset, synthesise
from csalgan.training import train

PROFILES = ("smoke", "demo", "demo-compact", "best", "paper-cpu", "author-cpu", "paper")
IMAGES = 40  # of which 27 are trained on


def main() -> None:
    """Print the table."""
    print(f"{'profile':14}{'device':>8}{'precision':>11}{'batch':>7}{'px':>6}{'GiB':>8}{'GPU':>8}")
    for profile in PROFILES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", profile], capture_output=True, text=True
        )
        if done.returncode:
            print(f"{profile:14}failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        about = json.loads(done.stdout)
        print(
            f"{profile:14}{about['device']:>8}{about['precision']:>11}{about['batch']:7}"
            f"{about['size']:6}{about['resident']:8.2f}{about['reserved']:8.2f}"
        )


def measure(name: str, *settings: str) -> None:
    """Two epochs (from the second on all learns) of a changed profile; numbers as a JSON line."""
    settings = ["training.epochs=2", *settings]
    if load_profile(name).text.encoder == "clip":
        settings.append("text.encoder=hashing")
    profile = load_profile(name, settings)
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(synthesise(Path(folder) / "set", n_images=IMAGES, seed=0))
        run = train(profile, dataset, "total", Path(folder) / "run", progress=False)
    gpu = run.info["device"] == "cuda"
    about = {
        "device": run.info["device"],
        "precision": run.info["precision"],
        "batch": profile.training.batch_size,
        "size": profile.data.size,
        "resident": peak_resident() / 2**30,
        "reserved": torch.cuda.max_memory_reserved() / 2**30 if gpu else 0.0,
    }
    print(json.dumps(about))


def peak_resident() -> int:
    """Bytes; Linux's own count of this process, since ``ru_maxrss`` begins at the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()
