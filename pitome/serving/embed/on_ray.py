"""The same shards on a Ray cluster. Ray carries their numbers and nothing else: inputs and embeddings go by
the folder, which every machine must have under the same path, as it must have the bundle and the inputs."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pitome.errors import BackendError, InputError, PitomeError
from pitome.serving.embed.encoder import Encoder, EncoderFacts, LocalWorker
from pitome.serving.embed.options import EmbedOptions
from pitome.serving.embed.shards import ShardFacts, read_shard, shard_name
from pitome.serving.embed.work_list import WorkList

SECONDS_TO_CONNECT = 10
LARGEST_PORT = 65_535
_SHARD = "shard"


class RayWorkers:
    """Computes shards on a cluster.

    Raises:
        InputError: no cluster is there.
        BackendError: its Python or Ray is another one.
    """

    def __init__(self, bundle: Path, options: EmbedOptions) -> None:
        import ray

        self._bundle, self._options = bundle.absolute(), replace(options, out=options.out.absolute())
        self._facts: EncoderFacts | None = None
        self._began = not ray.is_initialized()
        if self._began:
            _connect(str(options.ray))

    def facts(self) -> EncoderFacts:
        """What the model is on a machine of the cluster."""
        import ray

        if self._facts is None:
            ask = ray.remote(num_cpus=1, max_retries=3)(_facts_there)
            with _own_errors():
                self._facts = EncoderFacts(**ray.get(ask.remote(self._bundle, self._options)))
        return self._facts

    def compute(
        self, work: WorkList, numbers: Sequence[int], done: Callable[[int], None]
    ) -> Iterator[ShardFacts]:
        """Compute shards; a worker that dies has its shard computed by another one."""
        import ray

        facts = self.facts()
        threads = self._options.threads or 1
        processes = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        shards = ray.data.from_items(
            [{_SHARD: number} for number in numbers], override_num_blocks=len(numbers)
        )
        computed = shards.map_batches(
            _ShardActor,
            fn_constructor_args=(self._bundle, replace(self._options, threads=threads), asdict(facts)),
            batch_size=1,
            num_cpus=threads,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(processes, len(numbers))),
        )
        with _own_errors():
            for row in computed.iter_rows():
                number = int(row[_SHARD])
                digest = work.digests[number]
                path = self._options.out / shard_name(number, digest)
                found = read_shard(path, number, digest, facts.bundle_sha256)
                done(found.inputs)
                yield found

    def close(self) -> None:
        """Leave the cluster, where it was joined here."""
        import ray

        if self._began:
            ray.shutdown()


class _ShardActor:
    """A process of the cluster with the model in it."""

    def __init__(self, bundle: Path, options: EmbedOptions, wanted: dict[str, Any]) -> None:
        self._worker = LocalWorker(bundle, replace(options, workers=options.workers or 1))
        found = asdict(self._worker.facts())
        if found != wanted:
            name = next(name for name in wanted if found[name] != wanted[name])
            raise BackendError(
                f"embed with {bundle} on this machine of the cluster",
                f"its {name} is {found[name]}, and {wanted[name]} on another machine",
                "Give all machines the same bundle, and a device that all have",
            )
        self._work = WorkList(options.out)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        numbers = [int(number) for number in batch[_SHARD]]
        for _ in self._worker.compute(self._work, numbers, lambda count: None):
            pass
        return batch


def _facts_there(bundle: Path, options: EmbedOptions) -> dict[str, Any]:
    encoder = Encoder(bundle, options)
    encoder.close()
    return asdict(encoder.facts)


def _connect(address: str) -> None:
    import ray

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _check_reachable(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, (str(error).strip() or type(error).__name__).splitlines()[0]) from None
    ray.data.DataContext.get_current().enable_progress_bars = False


def _check_reachable(address: str) -> None:
    """Ray would wait for minutes, and then end the process."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LARGEST_PORT:
        raise InputError(
            f"--ray {address}", "it is no address", "Give HOST:PORT, as ray start tells it, or auto"
        )
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from None


def _no_cluster(address: str, reason: str) -> InputError:
    return InputError(
        f"--ray {address}",
        f"there is no cluster to join ({reason.rstrip('.')})",
        "Start one with `ray start --head`, or leave --ray out",
    )


def _is_ours(error: BaseException) -> bool:
    """Ray raises a class of its own that is derived from the error's, too, and tells a traceback."""
    return isinstance(error, PitomeError) and type(error).__module__ == PitomeError.__module__


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise an error of ours that a worker raised as what it is."""
    try:
        yield
    except Exception as error:
        own: BaseException | None = error
        while own is not None and not _is_ours(own):
            own = getattr(own, "cause", None) or own.__cause__
        if own is None:
            raise
        raise own from None
