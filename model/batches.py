"""`--batch auto`: how many pictures per step this machine trains on fastest."""

import time
from collections.abc import Mapping

import numpy as np
import torch

from model.faces import Faces
from model.state import new_state
from model.train import Settings
from model.training import training_step
from shell import UserError

CANDIDATES = (32, 64, 128, 256, 512)
BUDGET_S = 15.0
MEASURED_S = 1.5  # of steps, for each candidate
ALIKE = 0.97  # of the best rate; and then a smaller batch learns more from each picture


def fastest_batch(settings: Settings, faces: Faces, device: torch.device) -> int:
    """The candidate with the most pictures per second and process, found in about BUDGET_S seconds.

    The steps are those of the training, on a network that is thrown away.
    """
    state = new_state(settings, device)
    faces_there = len(faces.training)
    rates: dict[int, float] = {}
    begun_s = time.perf_counter()

    def step_s(batch: int) -> float:
        started_s = time.perf_counter()
        training_step(state, state.network.terms, faces, batch, settings, device)
        state.recent.pop().tolist()  # waits until a GPU has done it
        return time.perf_counter() - started_s

    last_s = 0.0
    for batch in [b for b in CANDIDATES if b <= faces_there] or [faces_there]:
        if rates and time.perf_counter() - begun_s + 6 * last_s > BUDGET_S:  # three steps of twice the pictures
            break
        try:
            first_s = step_s(batch)  # makes room and chooses kernels
            steps_s = [step_s(batch) for _ in range(int(np.clip(MEASURED_S / first_s, 2, 50)))]
        except torch.OutOfMemoryError:
            break
        last_s = float(np.median(steps_s))
        rates[batch] = batch / last_s
    if not rates:
        raise UserError(f"--batch auto: not even {CANDIDATES[0]} pictures fit into the memory of this machine.")
    print("pictures/s by batch: " + ", ".join(f"{batch}: {rate:,.0f}" for batch, rate in rates.items()))
    return choose(rates)


def choose(rates: Mapping[int, float]) -> int:
    """The smallest batch that is about as fast as the fastest, of pictures per second by batch."""
    return min(batch for batch, rate in rates.items() if rate >= ALIKE * max(rates.values()))
