# One image for the connector and the emulator of SEEN. How to run it: docs/container.md.
# The oldest Python that the project supports.
ARG PYTHON=python:3.11-slim-trixie

FROM ${PYTHON} AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/seen-connector
# Before the source, so that a change of the source installs no package anew. Wheels only: there is no compiler here.
COPY requirements/runtime.txt requirements/
RUN pip --python /opt/seen-connector/bin/python install --no-cache-dir --no-deps --only-binary :all: \
    --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY connector connector
RUN pip --python /opt/seen-connector/bin/python install --no-cache-dir --no-deps . \
    && pip --python /opt/seen-connector/bin/python check

FROM ${PYTHON}
LABEL org.opencontainers.image.title="seen-connector" \
      org.opencontainers.image.description="Turns customer events in Kafka into personalised videos at SEEN, and their callbacks into Kafka events." \
      org.opencontainers.image.licenses="Apache-2.0"
# pip has compiled what it installed, but the base image comes without the standard library's bytecode. Nobody may
# write it later, so each process, the health check's too, would compile what it imports.
RUN python -m compileall -q "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/seen-connector /opt/seen-connector
ENV PATH=/opt/seen-connector/bin:$PATH
# By number, so that Kubernetes (runAsNonRoot) can tell that it is not root.
USER 10001:10001
# The listener for SEEN's callbacks, and the admin port.
EXPOSE 8080 9090
# Liveness, not readiness: whoever replaces an unhealthy container would bring back neither Kafka nor SEEN.
HEALTHCHECK --interval=10s --timeout=8s --start-period=30s --retries=3 CMD ["python", "-c", \
    "from urllib.request import ProxyHandler, build_opener as o; o(ProxyHandler({})).open('http://127.0.0.1:9090/healthz', timeout=5)"]
ENTRYPOINT ["seen-connector"]
CMD ["run", "--config", "/etc/seen-connector"]
