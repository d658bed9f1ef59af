# One image for all stages: `docker run hookline ingest | process | sink | migrate | topics create`.
FROM python:3.11-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Downloads everything in the lock and checks its hashes; the next stage installs from these files.
COPY requirements.lock ./
RUN pip download --quiet --require-hashes --no-deps --dest /wheels --requirement requirements.lock
COPY pyproject.toml README.md LICENSE shops.example.toml ./
COPY schemas schemas
COPY runtime runtime
COPY ingest ingest
COPY processors processors
COPY sinks sinks
COPY hookline hookline
COPY tests/examples tests/examples
RUN python -m venv /hookline \
 && pip install --quiet --no-index --find-links /wheels hatchling \
 && pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /hookline/bin/pip install --quiet --no-index --find-links /wheels 'hookline[traces]'

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/hookline hookline
COPY --from=build /hookline /hookline
ENV PATH=/hookline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOOKLINE_HOST=0.0.0.0 \
    HOOKLINE_PORT=8080 \
    HOOKLINE_HEALTH_PORT=9100 \
    HOOKLINE_STATE_DIR=/var/lib/hookline \
    HOOKLINE_SHOPS_FILE=/etc/hookline/shops.toml \
    HOOKLINE_LOG_FORMAT=json
USER hookline
WORKDIR /var/lib/hookline
EXPOSE 8080 9100
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "\
import os, urllib.request as r; \
r.urlopen(f\"http://127.0.0.1:{os.environ['HOOKLINE_HEALTH_PORT']}/healthz\", timeout=2)"]
ENTRYPOINT ["hookline"]
CMD ["--help"]
