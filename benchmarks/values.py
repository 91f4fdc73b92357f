"""Calls that carry values, each beside the text call that does the same."""

import asyncio
import contextlib
import runpy
import statistics
import sys
import time
from collections import defaultdict
from typing import Dict, List

from measure import HERE, ROUNDS, Bench, Figure

VALUE_WORKER = str(HERE / "workers" / "value_worker.py")
ASYNC_WORKER = str(HERE / "workers" / "async_worker.py")


def value_figures(bench: Bench) -> List[Figure]:
    """Calls that carry values, against the text calls that do the same."""
    jobs: Dict[str, List[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for job, count in (
            ("text", 3000),
            ("call_greet", 3000),
            ("sum_16_changed", 3000),
            ("sum_16_unchanged", 3000),
            ("call_add", 3000),
            ("call_add_shared", 3000),
            ("call_record", 3000),
            ("callbacks", 200),
            ("submits", 20),
            ("stream", 20),
            ("cancels", 20),
        ):
            jobs[job] += bench.samples(job, count, VALUE_WORKER)
        jobs["async"] += bench.samples("call_greet", 3000, ASYNC_WORKER)
        for name, samples in {**_python_values(bench), **_asyncio_values(bench)}.items():
            jobs[name] += samples
    of = {name: statistics.median(samples) for name, samples in jobs.items()}

    def beside(name: str, job: str, limit: str, more_us: float) -> Figure:
        return Figure(name, jobs[job], of[limit], (of[limit] + more_us) / of[limit])

    return [
        beside('call("greet", "world"), C++, against text', "call_greet", "text", 0.5),
        beside("  the same, Python", "python greet", "python text", 1.0),
        beside("call with two 16x16, C++, against tags", "call_add", "sum_16_changed", 0),
        beside("  of empty, against unchanged tags", "call_add_shared", "sum_16_unchanged", 2),
        beside("12 fields both ways, C++, against text", "call_record", "text", 5.5),
        Figure("  the same, Python", jobs["python record"], None, None),
        Figure("call of a coroutine, C++", jobs["async"], None, 9),
        Figure("  the same, Python", jobs["python async"], None, None),
        Figure("a function of the host, asked by a handler, C++", jobs["callbacks"], None, 6),
        Figure("  the same, Python", jobs["python callbacks"], None, None),
        Figure("1,000 under way, C++, against one by one", jobs["submits"], of["call_greet"], 1 / 1.3),
        Figure("  the same, Python", jobs["python submits"], of["python greet"], 1 / 1.5),
        Figure("one small item of a stream, C++", jobs["stream"], None, 1e6 / 500_000),
        Figure("  the same, Python", jobs["python stream"], None, 1e6 / 300_000),
        Figure("await of one call, AsyncSession", jobs["asyncio one"], None, 35),
        Figure("  100 at once, each", jobs["asyncio 100"], None, 12),
        Figure("cancel of one call among 1,000, C++", jobs["cancels"], None, 5),
        Figure("  the same, Python", jobs["python cancel"], None, 5),
    ]


def _python_values(bench: Bench) -> Dict[str, List[float]]:
    """Calls with values of this process."""
    from tech_renaissance import PythonSession

    worker = runpy.run_path(VALUE_WORKER)
    record = worker["Record"](1, 2, 0.5, 0.25, "one", "two", True, False, [1.5, 2.5], {"three": 3}, 4, 0.125)
    with contextlib.ExitStack() as sessions:
        session, coroutines = (
            sessions.enter_context(PythonSession(script, session_id, True, transport="shm"))
            for script, session_id in ((VALUE_WORKER, "bench_values"), (ASYNC_WORKER, "bench_coroutines"))
        )
        echo = session.typed(worker["ValueServer"]).echo
        session.expose("increment", lambda number: number + 1)
        session.wait_until_ready(60000)
        coroutines.wait_until_ready(60000)

        def submits() -> None:
            for future in [session.submit("greet", "world") for _ in range(1000)]:
                future.result()

        def stream() -> None:
            if sum(session.stream("count", 10_000)) != 49_995_000:
                sys.exit("a wrong sum")

        def cancels() -> List[float]:
            samples: List[float] = []
            session.submit("rest", 0.05)  # so that the last of the others stay in line
            futures = [session.submit("greet", "world") for _ in range(1000)]
            for future in futures[-100:]:
                start = time.perf_counter_ns()
                future.cancel()
                samples.append((time.perf_counter_ns() - start) / 1000)
            for future in futures[:-100]:
                future.result()
            return samples

        jobs = {
            "python text": bench.python("python text", lambda: session.fetch_response("hello world"), 3000),
            "python greet": bench.python("python greet", lambda: session.call("greet", "world"), 3000),
            "python async": bench.python("python async", lambda: coroutines.call("greet", "world"), 3000),
            "python record": bench.python("python record", lambda: echo(record), 3000),
            "python callbacks": [
                us / 100 for us in bench.python("python callbacks", lambda: session.call("ask", 100), 200)
            ],
            "python submits": [us / 1000 for us in bench.python("python submits", submits, 20)],
            "python stream": [us / 10_000 for us in bench.python("python stream", stream, 20)],
            "python cancel": [us for _ in range(bench.count(20)) for us in cancels()],
        }
        bench.raw["python cancel"].append({"samples_us": jobs["python cancel"]})
        return jobs


def _asyncio_values(bench: Bench) -> Dict[str, List[float]]:
    """Calls of this process that are awaited, one after another, and a hundred futures at once."""
    from tech_renaissance import AsyncSession

    jobs: Dict[str, List[float]] = {"asyncio one": [], "asyncio 100": []}

    async def measure() -> None:
        async with AsyncSession(VALUE_WORKER, "bench_asyncio", True, transport="shm") as session:
            await session.call("greet", "world")
            for _ in range(bench.count(3000)):
                start = time.perf_counter_ns()
                await session.call("greet", "world")
                jobs["asyncio one"].append((time.perf_counter_ns() - start) / 1000)
            for _ in range(bench.count(50)):
                start = time.perf_counter_ns()
                for future in [session.submit("greet", "world") for _ in range(100)]:
                    await future
                jobs["asyncio 100"].append((time.perf_counter_ns() - start) / 100_000)

    asyncio.run(measure())
    for name, samples in jobs.items():
        bench.raw[name].append({"samples_us": samples})
    return jobs
