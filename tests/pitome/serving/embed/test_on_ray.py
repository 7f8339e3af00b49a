"""The same shards on a Ray cluster of two nodes, with workers and a node that are killed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pitome.errors import InputError, PitomeError
from pitome.serving.embed import EmbedOptions, embed
from tests.checkout import ROOT
from tests.pitome.serving.embed.embeddings import published, shards_of

pytestmark = pytest.mark.full

ray = pytest.importorskip("ray")
STORE = 100 * 2**20


class Cluster:
    """Two nodes with a core each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        self.nodes = RayCluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE}
        )
        self.second = self.nodes.add_node(num_cpus=1, object_store_memory=STORE)
        self.address = str(self.nodes.address)

    def kill_second(self) -> None:
        """As a machine ends whose power is cut; another one comes in its place."""
        self.nodes.remove_node(self.second, allow_graceful=False)
        self.second = self.nodes.add_node(num_cpus=1, object_store_memory=STORE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # the nodes' processes find the package as this one does
        patch.setenv("RAY_raylet_start_wait_time_s", "300")  # on a busy machine a node starts slowly
        found = Cluster()
    yield found
    found.nodes.shutdown()


@pytest.fixture
def options(tmp_path: Path) -> EmbedOptions:
    return EmbedOptions(out=tmp_path / "out", shard_rows=50, batch_size=4, threads=1, workers=1)


@pytest.fixture
def many(photos: Path, tmp_path: Path) -> Path:
    """1,203 images, two of which can't be read."""
    names = [str(photos / name) for name in ("00.png", "damaged.jpg", "below/01.png", "empty.png", "03.png")]
    lines = [names[0]] * 400 + names[1:2] + [names[2]] * 400 + names[3:4] + [names[4]] * 401
    path = tmp_path / "many.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def workers() -> list[int]:
    """Processes of the cluster that compute shards."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = path.read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::MapWorker"):
            found.append(int(path.parent.name))
    return found


def kill_workers(out: Path, times: int, killed: list[int]) -> None:
    """Kill one that computes, whenever there are some shards more."""
    wanted = 1
    while len(killed) < times:
        there = workers()
        if len(shards_of(out)) >= wanted and there:
            os.kill(there[0], signal.SIGKILL)
            killed.append(there[0])
            wanted = len(shards_of(out)) + 2
        time.sleep(0.02)


def test_workers_that_are_killed(
    image_bundle: Path, many: Path, options: EmbedOptions, cluster: Cluster
) -> None:
    """The same bytes as without Ray, whoever dies."""
    local = replace(options, out=options.out.with_name("local"))
    embed(image_bundle, [many], local)
    killed: list[int] = []
    killer = threading.Thread(target=kill_workers, args=(options.out, 2, killed), daemon=True)
    killer.start()
    found = embed(image_bundle, [many], replace(options, ray=cluster.address))
    assert len(killed) == 2
    assert (found.inputs, found.failed, found.shards) == (1_203, 2, 25)
    assert published(options.out) == published(local.out)


def test_a_node_that_is_lost(image_bundle: Path, many: Path, options: EmbedOptions, cluster: Cluster) -> None:
    lost: list[bool] = []

    def report(detail: str, done: int, total: int) -> None:
        if done >= 200 and not lost:
            lost.append(True)
            cluster.kill_second()

    local = replace(options, out=options.out.with_name("local"))
    embed(image_bundle, [many], local)
    embed(image_bundle, [many], replace(options, ray=cluster.address), report)
    assert lost
    assert published(options.out) == published(local.out)


def test_texts_begun_without_ray_and_ended_with_it(
    text_bundle: Path, options: EmbedOptions, cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "t.txt").write_text("\n".join(["the", "a the", "the " * 30] * 100), encoding="utf-8")
    local = replace(options, out=options.out.with_name("local"), truncate=True)
    embed(text_bundle, [tmp_path / "t.txt"], local)

    def report(detail: str, done: int, total: int) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    begun = replace(options, truncate=True)
    with pytest.raises(KeyboardInterrupt):
        embed(text_bundle, [tmp_path / "t.txt"], begun, report)
    found = embed(text_bundle, [tmp_path / "t.txt"], replace(begun, ray=cluster.address))
    assert 0 < found.reused_shards < 6
    assert published(options.out) == published(local.out)


def test_an_error_of_a_worker_is_told_as_it_is(
    image_bundle: Path, many: Path, options: EmbedOptions, cluster: Cluster, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(image_bundle, tmp_path / "bundle"))
    (other / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(PitomeError, match=r"model\.onnx") as error:
        embed(other, [many], replace(options, ray=cluster.address))
    assert type(error.value).__module__ == "pitome.errors"
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "there is no cluster to join (Connection refused)"),
        ("nowhere", "it is no address"),
        ("127.0.0.1:99999", "it is no address"),
        ("ray://127.0.0.1:10001", "there is no cluster to join"),
    ],
)
def test_no_cluster(image_bundle: Path, many: Path, options: EmbedOptions, address: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        embed(image_bundle, [many], replace(options, ray=address))
    assert told in str(error.value)
    assert not options.out.exists()
