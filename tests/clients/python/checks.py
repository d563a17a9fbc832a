"""What every Python client check uses: it counts what held and stops at the first thing that did not."""

import os
import sys
import time
from contextlib import contextmanager

SOCKET = os.environ["LARDER_SOCKET"]


class Checks:
    """Counts checks under a client's name; `done` prints the closing line the harness looks for."""

    def __init__(self, name):
        self.name = name
        self.count = 0
        sys.excepthook = self.broke

    def equal(self, what, got, want):
        """Holds if `got == want`."""
        if got != want:
            self.fail(what, f"got {shown(got)}, want {shown(want)}")
        self.count += 1

    def true(self, what, holds):
        """Holds if `holds` is true."""
        self.equal(what, bool(holds), True)

    @contextmanager
    def raises(self, what, kind, text=""):
        """Holds if the block raises `kind` (no other class) with `text` in its message."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, kind) or text not in str(error):
                self.fail(what, f"raised {error!r}, want {kind.__name__} with {text!r}")
            self.count += 1
        else:
            self.fail(what, f"raised nothing, want {kind.__name__} with {text!r}")

    def expires(self, what, set_and_get, ttl_s):
        """Holds if what `set_and_get()` stored is there at once and gone after `ttl_s`, not much sooner.

        `set_and_get` stores the value and gives a function that reads it, None once it is gone.
        """
        started = time.monotonic()
        read = set_and_get()
        self.true(f"{what}: there at first", read() is not None)
        while read() is not None:
            self.not_late(what, started, ttl_s)
            time.sleep(0.005)
        self.not_early(what, started, ttl_s)

    async def expires_async(self, what, set_and_get, ttl_s):
        """The same for coroutines."""
        import asyncio

        started = time.monotonic()
        read = await set_and_get()
        self.true(f"{what}: there at first", await read() is not None)
        while await read() is not None:
            self.not_late(what, started, ttl_s)
            await asyncio.sleep(0.005)
        self.not_early(what, started, ttl_s)

    def not_late(self, what, started, ttl_s):
        if time.monotonic() - started > ttl_s + 2:
            self.fail(what, f"still there 2 s after its {ttl_s} s were over")

    def not_early(self, what, started, ttl_s):
        # A millisecond of rounding is the server's to give away.
        lived_s = time.monotonic() - started
        self.true(f"{what}: lived {lived_s:.3f} s of {ttl_s} s", lived_s >= ttl_s - 0.002)

    def broke(self, kind, error, trace):
        """An error that no check expected: where it was, then the line that a failure closes with."""
        sys.__excepthook__(kind, error, trace)
        print(f"FAILED: {self.name}: after {self.count} checks: {kind.__name__}: {error}", file=sys.stderr)

    def fail(self, what, how):
        sys.exit(f"FAILED: {self.name}: {what}: {how}")

    def done(self):
        """Prints the closing line."""
        print(f"ok: {self.name} ({self.count} checks)")


def shown(value):
    """A value for a message: long ones shortened."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
