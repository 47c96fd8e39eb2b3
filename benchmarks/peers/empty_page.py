"""An empty Streamlit page in a process that has torch, as every program with a network has."""

import streamlit as st
import torch

st.write(torch.__version__)
