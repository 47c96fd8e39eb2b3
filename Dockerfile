# docker build -t mnist-digits .        What the image weighs, and where: docs/deployment.md.
ARG PYTHON_IMAGE=python:3.12-slim

# --- Stage 1: the packages, in a virtual environment that moves as a whole. What built it stays behind.
FROM ${PYTHON_IMAGE} AS packages
# CPU builds of torch: the default ones for Linux carry gigabytes of CUDA. Empty (TORCH_INDEX=): what pip's own index has.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv --without-pip /venv
COPY requirements.txt requirements-mysql.txt ./
RUN set -e; install="pip --python /venv/bin/python --no-cache-dir --disable-pip-version-check install"; \
    if [ -n "$TORCH_INDEX" ]; then \
        grep -E '^(torch|torchvision)==' requirements.txt | xargs $install --index-url "$TORCH_INDEX"; fi; \
    $install -r requirements.txt -r requirements-mysql.txt; \
    # Headers, compilers and the packages' own tests are of no use at run time.
    cd /venv/lib/python3*/site-packages; \
    rm -rf torch/include torch/test pyarrow/include; \
    find torch/bin -type f ! -name torch_shm_manager -delete; \
    for package in pandas pyarrow numpy sympy networkx; do find $package -type d -name tests -prune -exec rm -rf {} +; done

# --- Stage 2: what runs.
FROM ${PYTHON_IMAGE}
# The root filesystem may be read-only: nothing writes but to /tmp, and a retraining to /mnist.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    MNIST_DIR=/mnist \
    STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE=true
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin digits \
    && install -d -o digits -g digits /mnist
COPY --from=packages /venv /venv
WORKDIR /app
# Code comes last, so that a change of it rebuilds in seconds; .dockerignore says what it is.
COPY . .
RUN python -m compileall -q .
USER 10001:10001
EXPOSE 8501
# A database that is away makes the container "unhealthy"; the page goes on answering meanwhile.
# JSON: where the application's own routes are missing, Streamlit answers any address with a page of its own, status 200.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import json, urllib.request as u; json.load(u.urlopen('http://127.0.0.1:8501/readyz', timeout=4))"]
# exec form: Python is PID 1 and gets SIGTERM itself.
# With serverAddress Streamlit does not ask the internet for its own address at every start.
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--browser.serverAddress=localhost"]
