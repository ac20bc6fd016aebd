# Two images. docs/worker.md says how they are built and run, and what of this was tried without a container engine.
#
#   make package && docker buildx build --platform linux/amd64 --provenance=false --target api    -t yt-backend-api .
#                   docker buildx build                                           --target worker -t yt-backend-worker .
#
# A digest names one build for ever; the tag beside it says what that build was. Renew both together:
#   docker buildx imagetools inspect python:3.13-slim-bookworm
#   docker buildx imagetools inspect public.ecr.aws/lambda/python:3.13
ARG PYTHON_IMAGE=docker.io/library/python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8
ARG LAMBDA_IMAGE=public.ecr.aws/lambda/python:3.13@sha256:9d4188fd11f641450a5c83d6efb2d03642cd34231337bdee1c945e8ffea4da35


# --- api: what `make package` has built and proved, on Lambda's own base. Nothing is installed a second time.
FROM ${LAMBDA_IMAGE} AS package
COPY dist/yt-backend.zip /tmp/yt-backend.zip
RUN python -m zipfile -e /tmp/yt-backend.zip /task

FROM ${LAMBDA_IMAGE} AS api
# Lambda gives an image no handler and no variables of Zappa's: the handler is the command, the variables are the
# function's (https://docs.aws.amazon.com/lambda/latest/dg/python-image.html).
COPY --from=package /task ${LAMBDA_TASK_ROOT}
USER 1000:1000
CMD ["ytbackend.lambda_handler.handler"]


# --- worker
FROM ${PYTHON_IMAGE} AS libraries
# hadolint ignore=DL3008 # Debian's mirrors keep one version of a package alone: a pinned one is gone with the next fix
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-build.lock requirements-worker.lock /requirements/
# The files that the locks name by their hashes, and no other. The first has what compiles the database's driver.
RUN python -m venv /opt/venv \
    && for lock in build worker; do \
         /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
             --no-build-isolation -r "/requirements/requirements-$lock.lock" || exit 1; \
       done

FROM ${PYTHON_IMAGE} AS worker
# hadolint ignore=DL3008 # as above
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmariadb3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --no-create-home --home-dir /var/tmp --shell /usr/sbin/nologin ytworker \
    && install -d -o ytworker -g ytworker /models
COPY --from=libraries /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
COPY accounts accounts
COPY videos videos
COPY transcripts transcripts
COPY ytbackend ytbackend
RUN /opt/venv/bin/python -m compileall -q accounts videos transcripts ytbackend
# Speech models are fetched to /models once; what a job needs on disk, a gigabyte or two, and caches go to /var/tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/models \
    TMPDIR=/var/tmp \
    XDG_CACHE_HOME=/var/tmp/cache \
    DENO_DIR=/var/tmp/cache/deno
VOLUME ["/models", "/var/tmp"]
USER 1000:1000
STOPSIGNAL SIGTERM
# Alive and not frozen. Not whether the database answers: a worker waits for that by itself, and a restart mends nothing.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["/bin/sh", "-c", "grep -q '^State:.[SRD]' /proc/$(cut -d' ' -f1 /proc/1/task/1/children)/status"]
# The first process of a container ignores a signal that it has no handler for: Python while it starts, and the worker
# at the second SIGTERM. So tini is the first, passes signals on, and buries what yt-dlp's children leave.
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["python", "manage.py", "run_worker"]
