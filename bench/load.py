"""The load generators of a run, as processes, seen from whoever measures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from bench.machine import PROJECT
from bench.plan import Plan, Report


class Load:
    """Load generators, of which each has its share of the viewers."""

    def __init__(self, plan: Plan, generators: int = 1) -> None:
        shares = [
            plan.viewers // generators + (number < plan.viewers % generators)
            for number in range(generators)
        ]
        self._processes = [self._start(plan, share) for share in shares]

    @staticmethod
    def _start(plan: Plan, viewers: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.generator"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(plan) | {"viewers": viewers}) + "\n")
        process.stdin.flush()
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

    def wait_until_attached(self) -> None:
        """Wait for all viewers."""
        self._each("attached")

    def finish(self) -> None:
        """Tell them to stop looking; for viewers that would look for ever."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()

    def wait_until_done(self) -> None:
        """Wait until all viewers have everything, or time is up."""
        self._each("done")

    def report(self) -> Report:
        """Return what was seen, all together."""
        report = Report()
        for answer in self._each("report"):
            latency = {int(bucket): count for bucket, count in answer["report"]["latency"].items()}
            report.merge(Report(**(answer["report"] | {"latency": latency})))
        return report

    def _each(self, step: str) -> list[dict[str, Any]]:
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"a load generator ended before it was {step}")
            answers.append(json.loads(line))
            assert answers[-1]["step"] == step
        return answers
