# The studio as an image: one for web and worker processes; compose.yaml starts them.
#   docker build --tag environment-studio .
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS libraries
WORKDIR /opt/studio
COPY pyproject.toml uv.lock scripts/venv.sh ./
# Another package index comes as a build argument, and stays out of the image.
ARG PIP_INDEX_URL
RUN PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 PYTHON=python sh venv.sh runtime

# Pythons to compile the bytecode of images with, beside the one above.
FROM libraries AS pythons
# Another mirror of them comes as a build argument, and stays out of the image.
ARG UV_PYTHON_INSTALL_MIRROR
# None of them where that mirror cannot be reached: --build-arg PYTHONS=
ARG PYTHONS="3.10 3.12 3.13 3.14"
RUN mkdir /opt/python \
    && for version in $PYTHONS; do \
        .venv/bin/uv python install --no-config --no-bin --no-cache --install-dir /opt/python $version || exit 1; \
    done

FROM ${PYTHON}
ENV PATH=/opt/studio/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=studio.settings \
    STUDIO_VAR=/var/lib/studio \
    STUDIO_LOG_FORMAT=json \
    HOST=0.0.0.0 \
    PORT=8000
# A volume that is put here for the first time belongs to the user who owns the folder.
RUN groupadd --gid 10001 studio \
    && useradd --uid 10001 --gid studio --home-dir /var/lib/studio --no-create-home --shell /usr/sbin/nologin studio \
    && mkdir --parents --mode=0750 /var/lib/studio \
    && chown studio:studio /var/lib/studio
COPY --from=libraries /opt/studio/.venv /opt/studio/.venv
COPY --from=pythons /opt/python /opt/python
WORKDIR /srv/studio
COPY . .
RUN python -m compileall -q studio environments builds \
    && STUDIO_VAR=/tmp/collect STUDIO_STATIC_ROOT=/srv/static python manage.py collectstatic --no-input --verbosity 0 \
    && rm -rf /tmp/collect
ENV STUDIO_STATIC_ROOT=/srv/static
USER 10001:10001
VOLUME /var/lib/studio
EXPOSE 8000
# The worker has no port: compose.yaml gives it a check of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]
CMD ["sh", "-c", "exec uvicorn studio.asgi:application --host \"$HOST\" --port \"$PORT\" --log-level warning --no-access-log --timeout-graceful-shutdown 3"]
