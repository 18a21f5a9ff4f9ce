"""One trial, again and again, in four programs: cross, picture, key. Started by reaction_time.py, each in a process.

    python recorders.py annotator 200

Prints {"onset_s": ...}, of CLOCK_MONOTONIC, when the picture is on the screen, and {"response_time_s": ...} when it was
answered by F, as the program records it.
"""

import json
import sys
import time

CROSS_S = 0.15


def tell(**message):
    print(json.dumps(message), flush=True)


def annotator(trials):
    from contextlib import nullcontext

    from PIL import Image

    from annotator import slide
    from annotator.drawing import Artist
    from annotator.screen import Screen
    from annotator.subjects import Person
    from annotator.trial import Trial

    class Announcing(Person):
        def sees(self, image, onset_s):
            tell(onset_s=onset_s)

    with Screen() as screen:
        cross = Artist(screen.size, screen.grey).cross()
        picture = Image.new("RGB", (300, 300), "white")
        for _ in range(trials):
            trial = Trial({"f": "smiley", "j": "not-smiley"}, timeout_s=3.0)
            shown = slide.show(screen, Announcing(screen), "", picture, cross, trial, CROSS_S, nullcontext())
            tell(response_time_s=shown.outcome.response_time_s)


def psychopy_ptb(trials):
    from psychopy import visual
    from psychopy.hardware import keyboard

    window = visual.Window(size=(1024, 768), waitBlanking=False, checkTiming=False)
    keys = keyboard.Keyboard(backend="ptb")
    cross, picture = visual.TextBox2(window, "+"), visual.Rect(window, 0.5, 0.5)
    for _ in range(trials):
        cross.draw()
        window.flip()
        time.sleep(CROSS_S)
        keys.clearEvents()
        picture.draw()
        window.callOnFlip(keys.clock.reset)
        window.flip()
        tell(onset_s=time.perf_counter())
        pressed = keys.waitKeys(maxWait=3, keyList=["f"])
        tell(response_time_s=pressed[0].rt if pressed else None)


def psychopy_event(trials):
    from psychopy import core, event, visual

    window = visual.Window(size=(1024, 768), waitBlanking=False, checkTiming=False)
    cross, picture = visual.TextBox2(window, "+"), visual.Rect(window, 0.5, 0.5)
    clock = core.Clock()
    for _ in range(trials):
        cross.draw()
        window.flip()
        time.sleep(CROSS_S)
        event.clearEvents()
        picture.draw()
        window.callOnFlip(clock.reset)
        window.flip()
        tell(onset_s=time.perf_counter())
        pressed = event.waitKeys(maxWait=3, keyList=["f"], timeStamped=clock)
        tell(response_time_s=pressed[0][1] if pressed else None)


def expyriment(trials):
    from expyriment import control, design, misc, stimuli

    control.set_develop_mode(True)
    control.defaults.window_mode = True
    experiment = design.Experiment(name="benchmark")
    control.initialize(experiment)
    control.start(skip_ready_screen=True)
    cross, picture = stimuli.FixCross(), stimuli.Rectangle((300, 300))
    cross.preload()
    picture.preload()
    for _ in range(trials):
        cross.present()
        time.sleep(CROSS_S)
        experiment.keyboard.clear()
        picture.present()
        tell(onset_s=time.perf_counter())
        _, response_time_ms = experiment.keyboard.wait(misc.constants.K_f, duration=3000)
        tell(response_time_s=None if response_time_ms is None else response_time_ms / 1000)
    control.end(fast_quit=True)


RECORDERS = {
    "annotator": annotator,
    "psychopy-ptb": psychopy_ptb,
    "psychopy-event": psychopy_event,
    "expyriment": expyriment,
}

if __name__ == "__main__":
    RECORDERS[sys.argv[1]](int(sys.argv[2]))
