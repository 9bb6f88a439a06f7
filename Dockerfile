# The control plane as an image. It listens on loopback unless its flags say otherwise, as compose.yaml's do.
FROM python:3.13-slim-trixie AS base

FROM base AS build
WORKDIR /src
# No pip in what is shipped: nothing is to be installed there.
RUN python -m venv --without-pip /opt/pilothouse
# With hashes: what is built with, and what is shipped, is what was looked at when it was locked.
COPY requirements.lock requirements-build.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-build.lock \
 && pip --python /opt/pilothouse install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE ./
COPY protos protos
COPY xds xds
RUN pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir dist . \
 && pip --python /opt/pilothouse install --no-cache-dir --no-deps dist/*.whl

FROM base
COPY --from=build /opt/pilothouse /opt/pilothouse
ENV PATH=/opt/pilothouse/bin:$PATH
# For `pilothouse capture` in the init container of a Pod.
RUN apt-get update && apt-get install --yes --no-install-recommends nftables && rm -rf /var/lib/apt/lists/*
# The last good manifests are kept in /var/lib/pilothouse: mount a volume there, and they outlive the container.
ENV XDG_STATE_HOME=/var/lib
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/pilothouse
# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
EXPOSE 18000 18001
STOPSIGNAL SIGTERM
# It asks every worker. Flags of `serve` are not known to it: set another admin port, or a number of workers,
# by PILOTHOUSE_ADMIN and PILOTHOUSE_WORKERS (or in the file that PILOTHOUSE_CONFIG names), which both obey.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["pilothouse", "health"]
ENTRYPOINT ["pilothouse"]
CMD ["serve"]
