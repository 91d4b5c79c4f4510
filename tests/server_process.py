"""A server in a process of its own, which is ended when its block is left."""

import os
import signal
import subprocess
import time


class ServerProcess:
    """What servers of narrows share; `process` is set by each."""

    process: subprocess.Popen[str]
    signal_to_end = signal.SIGTERM

    def stop(self, number=None, patience=30):
        """End the server; return its exit code, how long that took, and what it printed."""
        begun = time.monotonic()
        if self.process.poll() is None:
            os.kill(self.process.pid, self.signal_to_end if number is None else number)
        try:
            printed, _ = self.process.communicate(timeout=patience)
        finally:
            self.process.kill()
            self.process.wait()
        return self.process.returncode, time.monotonic() - begun, printed

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()
