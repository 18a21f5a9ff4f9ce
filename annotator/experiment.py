"""The session as a subject meets it: consent, questions, instructions, practice, faces in blocks, thank-you."""

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial

from PIL import Image

from annotator import slide
from annotator.course import Course, face_height
from annotator.host import Host, Leave
from annotator.page import compose
from annotator.pictures import Loader, Pictures
from annotator.plan import Planned
from annotator.record import NotSaved, Record
from annotator.results import summarise
from annotator.sidecar import now
from annotator.slide import Escape, Slide
from annotator.trial import Outcome, Trial
from data.decoding import BadPicture
from sessions import has_rows, participants, runs
from shell import UserError, percent

FEEDBACK_S = 0.8


class Declined(Leave):
    """The subject does not agree to take part, and no answer of theirs is kept."""


class Experiment:
    """One session of one subject."""

    def __init__(self, course: Course, host: Host, record: Record) -> None:
        self.course = course
        self.host = host
        self.record = record
        self.jitter = random.Random(course.seed + course.done)
        self.cross = host.artist.cross()
        host.responses = course.responses

    def run(self) -> None:
        """Everything from the welcome to the goodbye; leaving early is a normal end.

        Raises
        ------
        WindowClosed
        """
        self.host.progress = (self.course.done, self.course.total)
        try:
            self._introduce()
            self._practise()
            self._judge()
        except Declined:
            self._close("declined")
        except NotSaved:
            self._close("not_saved")
        except Leave:
            self._close("goodbye")
        else:
            self._close("thank_you")

    def _introduce(self) -> None:
        course, host = self.course, self.host
        if course.done:
            host.turn(compose(host.texts, "welcome_back", progress=host.progress))
        else:
            if host.ask(compose(host.texts, "consent", **course.values)) == slide.ESCAPE:
                run = self.record.run
                raise Leave if has_rows(run.folder, run.subject) else Declined
            self.record.note(ConsentTime=now())
            self._ask_about_you()
        host.turn(compose(host.texts, "instructions", responses=course.responses))

    def _ask_about_you(self) -> None:
        """Age, sex and handedness, unless they are known; each answer is saved before the next question."""
        folder, subject, settings = self.record.run.folder, self.course.subject, self.course.settings
        if not settings.questions or settings.simulate:
            return
        known = participants.read(folder, subject)
        for column, about in participants.COLUMNS.items():
            if column not in known:
                told = self.host.choose(column, about["Levels"]) if "Levels" in about else self.host.type_age()
                self._tell({column: told})

    def _tell(self, answers: Mapping[str, str | int | None]) -> None:
        folder = self.record.run.folder
        describe = partial(participants.describe, folder, self.course.subject, answers)
        self.record.save(describe, folder / "participants.tsv", answers)

    def _practise(self) -> None:
        if not self.course.practice:
            return
        self.host.turn(compose(self.host.texts, "practice", responses=self.course.responses))
        for planned, shown in zip(self.course.practice, self._show(self.course.practice), strict=True):
            self.host.say("feedback", self._feedback(planned, shown.outcome), FEEDBACK_S)

    def _feedback(self, planned: Planned, outcome: Outcome) -> str:
        """What is said after a practice face; the first that applies."""
        if outcome.early_press_s is not None:
            return "early"
        if outcome.response_time_s is None:
            return "missed"
        if (outcome.response == "smiley") != ((planned.true_smile or 0) > 0):
            return "wrong"
        return "slow" if outcome.response_time_s > self.course.settings.slow_s else "good"

    def _judge(self) -> None:
        course, host = self.course, self.host
        block = course.settings.block
        section = "ready" if len(course.trials) > block else "ready_no_break"
        host.turn(compose(host.texts, section, responses=course.responses, **course.values))
        for done, _ in enumerate(self._show(course.trials), start=1):
            if done % block == 0 and done < len(course.trials):
                host.turn(compose(host.texts, "break", progress=host.progress, responses=course.responses))

    def _show(self, trials: list[Planned]) -> Iterator[Slide]:
        """Show and record one trial after the other; a picture that cannot be read is named and left out."""
        screen = self.host.screen
        loaders: list[Loader] = [partial(self.course.load, planned) for planned in trials]
        width, height = screen.size
        with Pictures(loaders, face_height(self.course.settings, height, screen.monitor_width), width) as pictures:
            for planned in trials:
                try:
                    picture = pictures.next()
                except BadPicture as error:
                    print(f"left out {planned.image}: {error}")
                    self._leave_out(planned)
                    continue
                yield self._show_one(planned, picture, pictures)

    def _leave_out(self, planned: Planned) -> None:
        self.record.left_out.append(planned.image)
        done, total = self.host.progress
        self.host.progress = (done, total - 1)
        if not self.host.progress[1]:
            raise UserError(f"{self.course.images.folder}: none of the pictures to be shown can be read.")

    def _show_one(self, planned: Planned, picture: Image.Image, pictures: Pictures) -> Slide:
        host = self.host
        while True:
            trial = Trial(self.course.responses, self.course.settings.timeout_s, host.held)
            host.held = trial.held
            fixation_s = self.jitter.uniform(*self.course.settings.fixation_s)
            try:
                shown = slide.show(
                    host.screen, host.subject, planned.image, picture, self.cross, trial, fixation_s, pictures.quiet()
                )
            except Escape:
                host.pause()
                continue
            self.record.add(planned, shown)
            if planned.trial_type != "practice":
                done, total = host.progress
                host.progress = (done + 1, total)
            if isinstance(shown.stop, Escape):
                host.pause()
            elif shown.stop is not None:
                raise shown.stop
            return shown

    def _close(self, section: str) -> None:
        host, run = self.host, self.record.run
        results = summarise(())
        with suppress(OSError, UserError):  # of a disk that is gone there is nothing to tell, but the page comes
            earlier = runs(run.folder, run.subject, run.sidecar["ImageSet"])
            results = summarise(row for one in earlier for row in one.rows())
        figures = []
        if results.median_s is not None:
            figures.append((f"{results.median_s:.2f} s", host.texts.get("results", "median")))
        if results.consistency is not None and section == "thank_you":  # else who comes back would look out for repeats
            figures.append((percent(results.consistency), host.texts.get("results", "consistency")))
        if results.trials:
            figures.append((str(results.misses), host.texts.get("results", "misses")))
        host.ask(compose(host.texts, section, figures=tuple(figures)))
