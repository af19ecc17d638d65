# syntax=docker/dockerfile:1
# Two images from one file:
#   docker build --target platform -t twin-platform .   Dagster, the MLflow server and the `twin` command
#   docker build --target trainer  -t twin-trainer  .   the training payload alone, for a machine with a GPU
# How they are used, and what has not been tried, stands in docs/production.md.

FROM python:3.11-slim AS builder
ARG UV_VERSION=0.13.8
RUN pip install --no-cache-dir uv==${UV_VERSION}
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 VIRTUAL_ENV=/opt/venv
RUN uv venv --python /usr/local/bin/python /opt/venv
WORKDIR /app

FROM builder AS platform-builder
# The dependencies come first: a change of the code does not install them again.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --constraints requirements.lock --torch-backend cpu \
    --requirements pyproject.toml --extra aws "dagster-postgres>=0.29,<0.30"
COPY . .
# Editable, because the platform finds dagster.yaml, workspace.yaml and authors/ beside its packages.
RUN uv pip install --no-deps --editable .

FROM builder AS trainer-builder
COPY requirements.lock ./
# What the payload imports, the extras `gpu` and `cuda`, and S3. mlflow-skinny is enough to log to a tracking server.
RUN uv pip install --constraints requirements.lock \
    accelerate dagster-pipes datasets jinja2 mlflow-skinny peft pyarrow pydantic torch transformers trl \
    deepspeed hjson msgpack ninja py-cpuinfo einops \
    bitsandbytes liger-kernel nvidia-ml-py \
    boto3 s3fs universal-pathlib
COPY twin_assets ./twin_assets

FROM python:3.11-slim AS runtime
RUN useradd --uid 1000 --create-home twin \
 && install --directory --owner twin --group twin /app /data /data/mlflow /data/twin /opt/dagster
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
WORKDIR /app

FROM runtime AS trainer
COPY --from=trainer-builder /opt/venv /opt/venv
COPY --from=trainer-builder /app /app
ENV PYTHONPATH=/app
# As root: SageMaker mounts /opt/ml for it. Elsewhere, `docker run --user` and the `user` of an ECS task say who it is.
# SageMaker adds the argument `train`, an ECS task the address of a spec, a person its path.
ENTRYPOINT ["python", "-m", "twin_assets.training.payload"]

FROM runtime AS platform
# The source `github` asks it.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY --from=platform-builder /opt/venv /opt/venv
COPY --from=platform-builder /app /app
ENV DAGSTER_HOME=/opt/dagster TWIN_HOME=/data/twin
USER twin
EXPOSE 3000 4000 5000
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "twin_assets.definitions"]
