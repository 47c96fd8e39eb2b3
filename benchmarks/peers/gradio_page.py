"""Gradio's Sketchpad, live, with our network and our preparation."""

import sys

import gradio
import torch

from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import prepare

torch.set_num_threads(1)
classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)


def read(sketch):
    try:
        [found] = classifier.predict(prepare(sketch["composite"]).frame[None])
    except (BlankDrawing, TypeError, KeyError):
        return None
    return {str(digit): share for digit, share in enumerate(found.probabilities)}


pad = gradio.Sketchpad(canvas_size=(300, 300), brush=gradio.Brush(default_size=18, colors=["#000000"]))
page = gradio.Interface(read, pad, gradio.Label(num_top_classes=3), live=True)
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
