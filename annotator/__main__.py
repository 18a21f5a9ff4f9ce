"""The experiment: a subject sees faces and presses smiley or not smiley.

python -m annotator --subject alice
"""

import sessions
import shell
from annotator.settings import Settings
from shell import UserError


def main(settings: Settings) -> None:
    settings.check()
    if settings.timing:
        from annotator.timing import self_test

        self_test(settings)
        return
    if settings.subject is None:
        raise UserError("--subject ID is missing: letters and digits, such as alice or p07.")
    sessions.check_subject(settings.sessions, settings.subject)
    from annotator.session import record

    record(settings, settings.subject)


if __name__ == "__main__":
    shell.run(main, Settings)
