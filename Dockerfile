# What Blindspot needs, without Blindspot: a project is mounted at /project. See docs/docker.md.
#   docker build -t blindspot .                                      CUDA; runs on a CPU too
#   docker build -t blindspot --build-arg TORCH_INDEX=ADDRESS .      CPU only, half the size
FROM python:3.12-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# Only when these change is everything installed again. The CPU builds of torch and torchvision have hashes of
# their own, and do without NVIDIA's packages.
COPY requirements.txt /tmp/
ARG TORCH_INDEX=
RUN cd /tmp \
    && if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" \
            $(grep -oE '^(torch|torchvision)==[0-9.]+' requirements.txt) \
        && awk '/^[a-z]/ { drop = /^(torch|torchvision|triton|nvidia-[^=]*|cuda-[^=]*)==/ } !drop' \
            requirements.txt > others.txt && mv others.txt requirements.txt; \
    fi \
    && pip install --no-cache-dir --require-hashes -r requirements.txt \
    && rm requirements.txt

# Whoever runs the container (`--user`) needs a home and a name, whether or not the system knows the number. The
# project belongs to a number of the host's, which git would not trust.
RUN useradd --create-home --uid 1000 blindspot \
    && chmod 1777 /home/blindspot \
    && git config --system safe.directory '*' \
    && git config --system user.name blindspot \
    && git config --system user.email blindspot@localhost
ENV HOME=/home/blindspot USER=blindspot PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER blindspot
WORKDIR /project
CMD ["dvc", "repro"]
