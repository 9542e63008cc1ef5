"""What is measured at a running server."""

import asyncio
import os
import pathlib
import statistics
import time

import stream


async def together(port, count, words, generate, seed):
    """Streams that begin at once: tokens a second of all, as their users see them and while all are written."""
    began = time.monotonic()
    timed = await asyncio.gather(*(stream.answer(port, stream.body(words, seed + number, generate))
                                   for number in range(count)))
    ended = max(one.times[-1] for one in timed)
    return {
        "tokens_per_second": sum(one.tokens for one in timed) / (ended - began),
        "written_per_second": sum(one.rate for one in timed),
        "first_token_seconds": statistics.median(one.first for one in timed),
        "last_first_token_seconds": max(one.first for one in timed),
        "largest_gap_seconds": max((max(one.gaps(0, ended), default=0) for one in timed)),
        "prompt_tokens": timed[0].prompt,
        "tokens": sum(one.tokens for one in timed),
    }


async def arrival(port, count, words, long_words, seed):
    """A long prompt arrives while streams run: its first token, and how long the others were held up."""
    running = [stream.Timed() for _ in range(count)]
    tasks = [asyncio.create_task(stream.answer(port, stream.body(words, seed + number, 4000), timed))
             for number, timed in enumerate(running)]
    try:
        while not all(len(timed.times) >= 4 for timed in running):
            await asyncio.sleep(0.01)
            ended(tasks)
        calm = time.monotonic()
        while not all(timed.times[-1] > calm and len(timed.times) >= 24 for timed in running):
            await asyncio.sleep(0.01)
            ended(tasks)
        began = time.monotonic()
        long = await stream.answer(port, stream.body(long_words, seed + count, 4))
        come = long.times[0]
        # The gap that the first token ends in is over with the next piece of each.
        while not all(timed.times[-1] > come for timed in running):
            await asyncio.sleep(0.01)
            ended(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    before = [gap for timed in running for gap in timed.gaps(calm, began)]
    during = [gap for timed in running for gap in timed.gaps(began, come)]
    return {
        "prompt_tokens": long.prompt,
        "first_token_seconds": long.first,
        "median_gap_before_seconds": statistics.median(before),
        "median_gap_seconds": statistics.median(during),
        "largest_gap_seconds": max(during),
    }


def ended(tasks):
    """Streams must outlast the measurement."""
    for task in tasks:
        if task.done():
            task.result()
            raise stream.Refused("a stream ended before the measurement did: the model's context is too short for it")


async def idle(server, count, words, generate, seed):
    """What connections cost on which nothing happens: tokens a second of one stream before, with and after them,
    resident memory, processor time."""
    before = await stream.answer(server.port, stream.body(words, seed, generate))
    memory = resident(server.process.pid)
    connections = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        connections.append((reader, writer))
    with_them = await stream.answer(server.port, stream.body(words, seed + 1, generate))
    more = resident(server.process.pid) - memory
    start, used = time.monotonic(), processor_seconds(server.process.pid)
    await asyncio.sleep(5)
    used = (processor_seconds(server.process.pid) - used) / (time.monotonic() - start)
    still = sum(not reader.at_eof() for reader, _ in connections)
    for _, writer in connections:
        writer.close()
    after = await stream.answer(server.port, stream.body(words, seed + 2, generate))
    return {"connections": still, "before": before.rate, "with": with_them.rate, "after": after.rate,
            "more_resident_bytes": more, "processor_share": used}


def resident(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
