"""One session from the command line to the session file: opens what is needed, in order, and closes it again."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import sessions
from annotator.course import Course, changes, settle
from annotator.experiment import Experiment
from annotator.host import Host
from annotator.plan import REPEAT_DISTANCE
from annotator.record import COLUMNS, Record
from annotator.rehearsal import check_pages
from annotator.screen import Screen, WindowClosed
from annotator.settings import Settings
from annotator.sidecar import describe_course, describe_screen
from annotator.subjects import Person
from annotator.texts import open_texts
from data.images import DEFAULT, ImageSet, open_set
from sessions.files import subjects
from shell import UserError, counted, flags

A_FEW = 3  # pictures of a recording, by which another set under its name is told


def record(settings: Settings, subject: str) -> None:
    """Run one session of `subject` and say where it lies.

    Raises
    ------
    UserError
        Before anything is shown: something that the settings ask for is not there.
    """
    texts = open_texts(settings.texts)
    images = open_or_draw(settings)
    earlier = earlier_runs(settings, subject, images)
    course = settle(settings, subject, images, earlier, faces_seen(settings, images), sides_taken(settings, images))
    if not course.trials:
        more = "; a larger --limit adds some" if course.left_out else ""
        print(f"{subject} has seen everything: {counted(len(course.faces), 'face')}{more}.")
        return
    note_differences(course)
    sidecar = describe_course(course, earlier, texts)
    check_pictures(settings, subject, images, sidecar["ImageSHA256"])
    with Screen(settings.windowed, settings.monitor, settings.grey) as screen:
        screen.check_keys(course.responses)
        person = who_presses(course, screen)
        host = Host(screen, person, texts)
        check_pages(course, host)
        sidecar |= describe_screen(screen, course) | person.describe()
        if changed := changes(earlier, sidecar):
            print(f"note: not as in {earlier[-1].path}: {'; '.join(changed)}.")
        if (angle := sidecar["FaceHeight_deg"]) is not None:
            print(f"Faces are {sidecar['FaceHeight']} pixels high, {angle:.1f} degrees of visual angle.")
        with sessions.RunWriter(settings.sessions, subject, images.name, sidecar, COLUMNS) as run:
            trials = Record(run, host)
            try:
                Experiment(course, host, trials).run()
            except WindowClosed:
                print("The window was closed.")
            except Exception:
                if trials.rows:
                    kept = counted(len(trials.rows), "trial")
                    print(f"{run.path}: {kept} kept; the same command goes on from there.")
                raise
            finally:
                trials.finish()
    if not trials.rows:
        print("No face was shown, so none is recorded.")
        return
    print(f"{run.path}: {counted(len(trials.rows), 'trial')}.")
    if all(row["trial_type"] == "practice" for row in trials.rows):
        print("These are practice, not votes; the same command goes on.")
    else:
        print(f"Next: python -m labeling.build{flags(settings, 'data', 'sessions')}")


def note_differences(course: Course) -> None:
    """Say where less is shown than the settings may seem to ask for."""
    settings = course.settings
    if settings.images is not None and course.left_out:
        missing = counted(course.left_out, "face")
        print(f"note: --limit {settings.limit} leaves out {missing} at the end of {settings.images}.")
    if settings.repeats and not course.repeats:
        enough = max(REPEAT_DISTANCE, math.floor(0.5 / settings.repeats) + 1)
        print(
            f"note: no face is shown a second time; --repeats {settings.repeats:g} takes at least {enough} faces, "
            f"not {len(course.faces)}."
        )


def who_presses(course: Course, screen: Screen) -> Person:
    """The subject in front of the screen.

    Raises
    ------
    UserError
        One is to be simulated, and the image set tells neither true nor asked smiles.
    """
    if not course.settings.simulate:
        return Person(screen)
    from annotator.simulated import SimulatedSubject
    from sessions.simulate import standardised_truth

    truth = standardised_truth(course.settings.data)
    return SimulatedSubject(screen, truth.to_dict(), str(truth.name), course.responses, course.seed)


def open_or_draw(settings: Settings) -> ImageSet:
    """The image set; the default one is drawn first where it is not there."""
    if settings.data == DEFAULT and not (DEFAULT / "images").is_dir():
        from data.drawn.source import prepare_drawn
        from data.prepare import Drawn

        print(f"{DEFAULT} is not there yet: drawing its faces first, once.")
        prepare_drawn(Drawn())
    return open_set(settings.data)


def earlier_runs(settings: Settings, subject: str, images: ImageSet) -> Sequence[sessions.Run]:
    """What this subject has done on these images.

    Raises
    ------
    UserError
        A person would go on where a simulated observer stopped, or the other way round; or a picture that this subject
        has judged is another one now, as in another set under the same name.
    """
    earlier = sessions.runs(settings.sessions, subject, images.name)
    for run in earlier:
        if run.sidecar["Simulated"] != settings.simulate:
            who = "a simulated observer" if run.sidecar["Simulated"] else "a person"
            raise UserError(f"{run.path}: {who} recorded this; choose another --subject.")
    known: dict[str, str] = {}
    for run in earlier:
        compare(judged(run), known, run, images)
    return earlier


def check_pictures(settings: Settings, subject: str, images: ImageSet, shown: Mapping[str, str]) -> None:
    """Raise UserError where another subject judged other pictures under the names of this set's.

    Labels are made of all recordings on a set of one name, and two pictures have none in common. To read few files,
    `shown`, the hashes of the pictures that `subject` is to see, are compared with each other subject's last run, and
    `A_FEW` more pictures where that has none of them. Damaged files say nothing.
    """
    last: list[tuple[sessions.Run, dict[str, str]]] = []
    for other in subjects(settings.sessions):
        if other != subject:
            with suppress(UserError):
                last += [(run, judged(run)) for run in runs_of_this_kind(settings, other, images)[-1:]]
    known = dict(shown)
    for run, digests in last:
        some = digests.keys() & shown.keys() or sorted(digests)[:A_FEW]
        compare({image: digests[image] for image in some}, known, run, images)


def judged(run: sessions.Run) -> dict[str, str]:
    """The hashes of the pictures that `run` has a row on. Raises UserError where its rows cannot be read."""
    digests = run.sidecar.get("ImageSHA256", {})
    return {image: digests[image] for image in {row["image"] for row in run.rows()} & digests.keys()}


def compare(digests: Mapping[str, str], known: dict[str, str], run: sessions.Run, images: ImageSet) -> None:
    """Raise UserError where a picture of `images` is not the one that was judged in `run`, whose hash is in `digests`.

    `known` are hashes of pictures of the set; those that it lacks are added. A picture that is not there is no other.
    """
    for image, digest in sorted(digests.items()):
        path = images.path(image)
        if image not in known and path.is_file():
            known[image] = sessions.content_hash(path)
        if known.get(image, digest) != digest:
            raise UserError(
                f"{path}: not the picture that was judged in {run.path}; put that one back, give the folder "
                f"{images.folder} another name, or record this set in another --sessions folder."
            )


def faces_seen(settings: Settings, images: ImageSet) -> Iterator[str]:
    """One image name per face that was shown to any subject of this one's kind: people, or simulated observers.

    Faces of somebody whose files are damaged count as not shown: nobody else must wait for that to be mended.
    """
    for subject in subjects(settings.sessions):
        with suppress(UserError):
            for run in runs_of_this_kind(settings, subject, images):
                yield from (row["image"] for row in run.rows() if row["trial_type"] == "main")


def sides_taken(settings: Settings, images: ImageSet) -> Iterator[dict[str, str]]:
    """The keys of each subject of this one's kind; of one whose files are damaged they do not matter that much."""
    for subject in subjects(settings.sessions):
        with suppress(UserError):
            yield from (run.sidecar.get("KeyMap", {}) for run in runs_of_this_kind(settings, subject, images)[-1:])


def runs_of_this_kind(settings: Settings, subject: str, images: ImageSet) -> list[sessions.Run]:
    """What `subject` has recorded on these images as what this one is, a person or a simulated observer."""
    runs = sessions.runs(settings.sessions, subject, images.name)
    return [run for run in runs if run.sidecar["Simulated"] == settings.simulate]
