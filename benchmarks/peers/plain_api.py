"""The usual service: FastAPI, Pillow → resize → eager forward. It stores nothing, or each drawing where STORE says so.

`uvicorn benchmarks.peers.plain_api:app`; STORE is the URL of a SQLite database.
"""

import io
import os
import uuid
from datetime import UTC, datetime

import numpy as np
import torch
from fastapi import FastAPI, Request
from PIL import Image
from sqlalchemy import JSON, DateTime, LargeBinary, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.concurrency import run_in_threadpool

from mnist.model.weights_file import SHIPPED_WEIGHTS, read_weights

torch.set_num_threads(1)
network, _ = read_weights(SHIPPED_WEIGHTS)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Prediction(Base):
    __tablename__ = "predictions"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    created_at: Mapped[datetime] = mapped_column(DateTime, default=lambda: datetime.now(UTC))
    image: Mapped[bytes] = mapped_column(LargeBinary)
    digit: Mapped[int]
    probabilities: Mapped[list[float]] = mapped_column(JSON)


engine = None
if os.environ.get("STORE"):
    engine = create_engine(os.environ["STORE"])
    if os.environ.get("WAL"):  # as the application has it: write-ahead log, every commit synced

        @event.listens_for(engine, "connect")
        def use_write_ahead_log(connection, _record):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

    Base.metadata.create_all(engine)


def read(data):
    picture = Image.open(io.BytesIO(data)).convert("L").resize((28, 28))
    with torch.inference_mode():
        logits = network(torch.from_numpy(np.asarray(picture).copy())[None, None].float() / 255)
        probabilities = logits[0, :10].softmax(0).tolist()
    digit = max(range(10), key=probabilities.__getitem__)
    if engine is not None:
        with Session(engine) as session:
            session.add(Prediction(image=data, digit=digit, probabilities=probabilities))
            session.commit()
    return {"digit": digit, "confidence": probabilities[digit], "probabilities": probabilities}


@app.post("/api/predict")
async def predict(request: Request):
    return await run_in_threadpool(read, await request.body())


@app.get("/readyz")
def ready():
    return {}
