# docker build -t tocsin . && docker run --name tocsin -p 8080:8080 -v tocsin:/var/lib/tocsin --stop-timeout 120 tocsin
# Without TOCSIN_DATABASE_URL it runs its own PostgreSQL in the volume. Commands: docker exec tocsin tocsin doctor

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements-uv.lock requirements.lock requirements-dev.lock ./
RUN python -m venv --without-pip /opt/tocsin \
    && python -m pip install --require-hashes --only-binary=:all: -r requirements-uv.lock \
    && uv pip install --no-cache --python /opt/tocsin/bin/python --require-hashes --compile-bytecode -r requirements.lock
# The build backend, by hash as well: hatchling and what it needs are part of the development lock.
RUN python -m venv --without-pip /opt/build \
    && uv pip install --no-cache --python /opt/build/bin/python --require-hashes -r requirements-dev.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY app app
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
    && uv pip install --no-cache --python /opt/tocsin/bin/python --no-deps --no-index --compile-bytecode /wheel/*.whl

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 tocsin \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tocsin tocsin \
    && install -d -m 0700 -o tocsin -g tocsin /var/lib/tocsin
COPY --from=build /opt/tocsin /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOCSIN_DATA_DIR=/var/lib/tocsin \
    TOCSIN_LISTEN=0.0.0.0:8080
USER tocsin
WORKDIR /var/lib/tocsin
VOLUME /var/lib/tocsin
EXPOSE 8080
# SIGTERM goes to `serve` alone, which ends its database itself. Docker's 10 s are too short for the longest clean stop.
STOPSIGNAL SIGTERM
# Without urllib, which would ask a proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, sys, http.client as h; a, _, p = os.environ['TOCSIN_LISTEN'].rpartition(':'); c = h.HTTPConnection(a.strip('[]'), int(p), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["tocsin", "serve"]
