"""How a console log says that its run ended: by a line after which no progress comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mobile_vla.evidence.read_run import EXCEPTION

EndState = Literal["finished", "failed", "killed"]
LINE = 4096
"""Bytes of a line that are compared with the endings."""

HINT, SIGNAL, EXCEPTION_STRENGTH, KILL, COMPLETE = 1, 2, 3, 4, 9
"""Strengths: a hint (a launcher's summary), a stop that was signalled and may be ignored, an
exception or crash, a kill by system or scheduler, and a trainer's own last line. A weaker line
never replaces a stronger one; of two equal ones only an exception replaces."""

_PATTERNS: tuple[tuple[bytes, EndState, int], ...] = (
    (rb"`Trainer\.fit` stopped: `[^`]*` reached", "finished", COMPLETE),
    (rb"^\{'train_runtime': ", "finished", COMPLETE),
    (rb"^INFO .*\bEnd of training$", "finished", COMPLETE),
    (rb"(?i)^training (?:complete|finished|done)\b", "finished", SIGNAL),
    (rb"is not finite.*Signaling Trainer to stop|Divergence threshold reached", "failed",
     SIGNAL),
    (rb"Signaling Trainer to stop", "finished", SIGNAL),
    (rb"slurmstepd: error: .*(?:CANCELLED AT|oom[-_]kill|[Ee]xceeded .*(?:memory|limit))",
     "killed", KILL),
    (rb"srun: error: .*Out Of Memory|^=>> PBS: job killed|^TERM_\w+: job killed", "killed",
     KILL),
    (rb"srun: Force Terminated |\bOOMKilled\b|\bcode=killed, status=9/KILL"
     rb"|Abnormal termination \(signal 9\)|exited on signal 9 \(|^timeout: sending signal "
     rb"|^failed +\d+ +: qmaster enforced ", "killed", KILL),
    (rb"\bOut of memory: Killed process|\bDetected KeyboardInterrupt", "killed", KILL),
    (rb"^(?:.*\bline \d+: +\d+ )?Killed\b", "killed", KILL),
    (rb"^KeyboardInterrupt", "killed", EXCEPTION_STRENGTH),
    (rb"Signal \d+ \(SIGKILL\) received by PID", "killed", EXCEPTION_STRENGTH),
    (rb"Signal \d+ \(SIG(?!TERM)\w+\) received by PID", "failed", EXCEPTION_STRENGTH),
    (rb"^terminate called (?:after|without)|^Fatal Python error: ", "failed",
     EXCEPTION_STRENGTH),
    (rb"^(?:.*\bline \d+: +\d+ )?(?:Segmentation fault|Bus error|Illegal instruction"
     rb"|Floating point exception|Aborted)(?:$|\s+\(core dumped\)|\s{2,})", "failed",
     EXCEPTION_STRENGTH),
    (rb"\(core dumped\)", "failed", EXCEPTION_STRENGTH),
    (rb"\bReceived SIGTERM\b|^(?:.*\bline \d+: +\d+ )?Terminated\b", "killed", HINT),
    (rb"srun: error: .*task \d+.*: (?:Killed|Terminated)", "killed", HINT),
    (rb"\bfailed \(exitcode: -?\d+\)|^\S+\.py FAILED$|srun: error: .*Exited with exit code",
     "failed", HINT),
    (rb"(?:terminated|exited|completed) with (?:exit )?code (?:137|143)\b", "killed", HINT),
    (rb"(?:terminated|exited|completed) with (?:exit )?code [1-9]"
     rb"|\bcode=(?:exited, status=[1-9]|dumped)|Abnormal termination \(signal "
     rb"|exited on signal \d", "failed", HINT),
    (rb"^(?:Error|ERROR|FATAL): .+", "failed", HINT),
)  # fmt: skip
ENDINGS = tuple((re.compile(pattern), state, level) for pattern, state, level in _PATTERNS)
TRACEBACK = re.compile(rb"^\W*(?:Exception Group )?Traceback \(most recent call last\)")
GROUP = re.compile(rb"^  \| (?=\S)")
"""What stands before the outermost exception of a group."""
NOISE = re.compile(rb"^Exception (?:in thread|ignored in)\b")
"""The line before a traceback that did not end the run: of another thread, or of a destructor."""

LAUNCHER = re.compile(rb"^(?:\w+\.)*(?:ChildFailedError|SIGTERMException|SignalException)\b")
RANK = re.compile(rb"^\[rank:? ?\d+\]:? ?")
Position = tuple[int | None, int]


@dataclass(frozen=True, slots=True)
class Quote:
    """A line of a log; `line` counts from 1 and is None inside a huge log."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, the line that says so, and how far the run was by then."""

    state: EndState
    quote: Quote
    strength: int
    position: Position | None

    def outlives(self, position: Position) -> bool:
        """Whether progress to `position` leaves the ending standing.

        A bar that is printed again is no progress, and a stop that is signalled within an epoch
        takes effect at the epoch's end.
        """
        same_epoch = self.position is not None and self.position[0] == position[0]
        return position == self.position or (self.strength == SIGNAL and same_epoch)


class EndingReader:
    """Finds the ending among the lines of one run."""

    def __init__(self) -> None:
        self.ending: Ending | None = None
        self._traceback: bytes | None = None
        self._before = b""

    def take(self, number: int | None, line: bytes, position: Position | None) -> None:
        """One line, without the progress bars in it."""
        line = RANK.sub(b"", line[:LINE])
        if TRACEBACK.match(line):
            self._traceback = self._before
        elif self._traceback is not None and EXCEPTION.match(bare := GROUP.sub(b"", line)):
            self._exception(number, bare, position)
        else:
            self._line(number, line, position)
        self._before = line.strip() or self._before

    def progress(self, position: Position) -> None:
        """Training went on: an ending before it was none."""
        if self.ending is not None and not self.ending.outlives(position):
            self.ending = None
        self._traceback = None

    def _exception(self, number: int | None, line: bytes, position: Position | None) -> None:
        noise, self._traceback = NOISE.match(self._traceback or b""), None
        if noise:
            return
        state: EndState = "failed"
        strength = HINT if LAUNCHER.match(line) else EXCEPTION_STRENGTH
        if b"KeyboardInterrupt" in line or b"SIGTERMException" in line:
            state = "killed"
        self._end(Ending(state, _quote(number, line), strength, position), replaces_equal=True)

    def _line(self, number: int | None, line: bytes, position: Position | None) -> None:
        for pattern, state, strength in ENDINGS:
            if match := pattern.search(line):
                quoted = match[0] if strength == COMPLETE and b"`" in match[0] else line
                self._end(Ending(state, _quote(number, quoted), strength, position))
                return

    def _end(self, ending: Ending, *, replaces_equal: bool = False) -> None:
        current = self.ending.strength if self.ending else 0
        if ending.strength > current or (replaces_equal and ending.strength == current):
            self.ending = ending


def _quote(number: int | None, line: bytes) -> Quote:
    return Quote(number, line.decode("utf-8", "replace").strip()[:400])
