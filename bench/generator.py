"""The load generator: viewers in a process of their own, `python -m bench.generator`.

It reads its plan from the standard input, a line of JSON, and prints a line of JSON for each step:
`attached` once every viewer is, `done` when all have everything (or time is up, or the standard
input ends), and the report. One thread and one epoll; where its own CPU time comes near the time
measured, the plan is to be split over several of them (`bench.load`).
"""

from __future__ import annotations

import json
import select
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from bench import websocket
from bench.judges import Arrivals, judge_maker
from bench.plan import Plan, Report
from bench.viewer import Viewer

CONNECTING_AT_ONCE = 16
ATTACH_SECONDS = 60.0


class Generator:
    """All viewers of this process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._arrivals = Arrivals()
        self._poll = select.epoll()
        make_judge = judge_maker(plan.expects, plan.amount, self._arrivals)
        with ThreadPoolExecutor(CONNECTING_AT_ONCE) as pool:
            made = pool.map(lambda _: Viewer(plan, make_judge), range(plan.viewers + plan.deaf))
            self._all = list(made)
        self._viewers = {
            each.connection.socket.fileno(): each for each in self._all[: plan.viewers]
        }
        for descriptor in self._viewers:
            self._poll.register(descriptor, select.EPOLLIN)
        self._lost: list[str] = []
        self._closing = False

    def attach(self) -> None:
        """Return once every viewer is attached."""
        deadline = time.monotonic() + ATTACH_SECONDS
        for viewer in self._viewers.values():
            while viewer.missing > 0 and viewer.connection.socket.fileno() in self._viewers:
                if time.monotonic() > deadline:
                    raise TimeoutError("the viewers are not attached")
                self._turn()

    def view(self) -> Report:
        """Return what was seen when all viewers have everything, or time is up."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        begun = time.process_time()
        deadline = time.monotonic() + self._plan.seconds
        waiting = list(self._viewers.values())
        while time.monotonic() < deadline and not self._closing:
            while waiting and waiting[-1].has_nothing_to_come():
                waiting.pop()
            if not waiting and self._plan.expects != "anything":
                break
            self._turn()
        cpu = time.process_time() - begun
        say("done")
        return self._report(cpu)

    def _turn(self) -> None:
        for descriptor, _ in self._poll.poll(0.05):
            viewer = self._viewers.get(descriptor)
            if viewer is None:
                self._closing = True
                self._poll.unregister(descriptor)
                continue
            try:
                viewer.receive()
            except (websocket.Disconnected, OSError) as error:
                self._lose(descriptor, error)
        if self._plan.acknowledges:
            now = time.monotonic_ns()
            for viewer in self._viewers.values():
                viewer.acknowledge_what_is_drawn(now)

    def _lose(self, descriptor: int, error: Exception) -> None:
        viewer = self._viewers.pop(descriptor)
        self._poll.unregister(descriptor)
        viewer.connection.close()
        if not viewer.done:
            viewer.done = True
            self._lost.append(f"a viewer was cut off: {error!r}")

    def _report(self, cpu: float) -> Report:
        viewers = self._all[: self._plan.viewers]
        return Report(
            complete=sum(viewer.complete for viewer in viewers),
            viewers=len(viewers),
            resets=sum(viewer.resets for viewer in viewers),
            messages=sum(viewer.messages for viewer in viewers),
            text_bytes=sum(viewer.text_bytes for viewer in viewers),
            cpu=cpu,
            finished=[viewer.finished or viewer.last for viewer in viewers],
            faults=[*self._lost, *(fault for viewer in viewers for fault in viewer.faults)][:20],
            latency=self._arrivals.histogram().counts,
        )


def say(step: str, **more: Any) -> None:
    """Print one line for whoever started this process."""
    print(json.dumps({"step": step, **more}), flush=True)


def main() -> None:
    """Do what the standard input says."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    generator = Generator(plan)
    generator.attach()
    say("attached")
    say("report", report=asdict(generator.view()))


if __name__ == "__main__":
    main()
