"""The API is made when somebody first asks for it, once."""

import asyncio
import time

import pytest
from starlette.responses import PlainTextResponse

from mnist.api.mounting import MadeAtFirstRequest

SCOPE = {"type": "http", "method": "GET", "path": "/"}


async def ask(application) -> list[dict]:
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await application(SCOPE, receive, send)
    return sent


def test_it_is_made_once_however_many_ask_at_first():
    made = []

    def make():
        time.sleep(0.05)
        made.append(PlainTextResponse("here"))
        return made[-1]

    async def everybody():
        application = MadeAtFirstRequest(make)
        assert made == []
        return await asyncio.gather(*(ask(application) for _ in range(5)))

    answers = asyncio.run(everybody())

    assert len(made) == 1
    assert [answer[-1]["body"] for answer in answers] == [b"here"] * 5


def test_the_page_goes_on_while_it_is_made():
    async def ticks_meanwhile() -> int:
        making = asyncio.create_task(ask(MadeAtFirstRequest(lambda: time.sleep(0.2) or PlainTextResponse("here"))))
        ticks = 0
        while not making.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(ticks_meanwhile()) > 2


def test_what_could_not_be_made_is_tried_again():
    tries = []

    def make():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no file is free")
        return PlainTextResponse("here")

    async def twice():
        application = MadeAtFirstRequest(make)
        with pytest.raises(OSError, match="no file is free"):
            await ask(application)
        return await ask(application)

    assert asyncio.run(twice())[-1]["body"] == b"here"
