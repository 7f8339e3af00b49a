"""CUDA's execution model on the CPU: the equipment that the plugin's tests stand on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pitome.plugins.tools.merge_library import BUILD

PROGRAMS = {"plain": BUILD / "model_program", "sanitized": BUILD / "sanitized" / "model_program"}
SEEDS = range(10)


@pytest.fixture(params=["plain", pytest.param("sanitized", marks=pytest.mark.full)])
def program(request: pytest.FixtureRequest) -> Path:
    """The plain build switches stacks by itself, the sanitized one with ucontext."""
    path = PROGRAMS[request.param]
    assert path.is_file(), f"{path} is missing: run `make plugin-host`, or `make plugin-sanitized`, first"
    return path


def run(program: Path, check: str, seed: int = 0) -> list[str]:
    done = subprocess.run([program, check, str(seed)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def numbers(line: str) -> list[int]:
    return [int(word) for word in line.split()]


def test_every_thread_of_every_block_runs_once(program: Path) -> None:
    (line,) = run(program, "number_threads")
    assert numbers(line) == [block * 1000 + thread for block in range(12) for thread in range(10)]


def test_a_barrier_holds_every_thread(program: Path) -> None:
    for seed in SEEDS:
        (line,) = run(program, "reverse", seed)
        assert numbers(line) == list(range(255, -1, -1))


def test_a_missing_barrier_shows(program: Path) -> None:
    for seed in SEEDS:
        (line,) = run(program, "reverse_without_barrier", seed)
        found = numbers(line)
        assert found != list(range(255, -1, -1))
        wrong = [value for place, value in enumerate(found) if value != 255 - place]
        assert set(wrong) == {-1}, "what no thread has written yet is garbage"


def test_shared_memory_is_garbage_at_first_in_every_block(program: Path) -> None:
    (line,) = run(program, "garbage")
    assert numbers(line) == [-1] * 64


def test_a_barrier_that_not_all_threads_reach_is_reported(program: Path) -> None:
    (line,) = run(program, "leave_out_one")
    assert line.startswith(
        "unspecified launch failure: 63 of 64 threads wait for threads that do not come, at "
    )
    assert "model_program.cpp:" in line


def test_threads_at_two_barriers_are_reported(program: Path) -> None:
    (line,) = run(program, "two_places")
    assert "64 of 64 threads wait for threads that do not come, at model_program.cpp:" in line
    assert line.count("model_program.cpp:") == 2


def test_a_shuffle_without_all_lanes_of_its_mask_is_reported(program: Path) -> None:
    (line,) = run(program, "half_a_warp")
    assert "16 of 32 threads wait for threads that do not come" in line
    assert line.endswith("(lanes of a warp)")


def test_a_fault_ends_the_process_unless_it_is_kept(program: Path) -> None:
    done = subprocess.run(
        [program, "fault_ends_the_process", "0"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "fault in a kernel: 63 of 64 threads wait" in done.stderr


def test_kernels_run_after_a_fault(program: Path) -> None:
    fault, line = run(program, "after_a_fault")
    assert "63 of 64" in fault
    assert numbers(line) == list(range(255, -1, -1))


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("too_much_shared_memory", "49153 bytes of shared memory, more than a block has"),
        ("two_structures", "a kernel has two structures of shared memory"),
        ("too_many_threads", "invalid configuration argument: "),
        ("empty_grid", "invalid configuration argument: "),
    ],
)
def test_what_no_gpu_does_is_refused(program: Path, check: str, text: str) -> None:
    (line,) = run(program, check)
    assert text in line


@pytest.mark.parametrize("seed", SEEDS)
def test_shuffles_and_votes(program: Path, seed: int) -> None:
    (line,) = run(program, "warp", seed)
    found = numbers(line)
    for thread in range(64):
        warp, lane = divmod(thread, 32)
        base = 100 * warp
        ballot = sum(1 << other for other in range(32) if other % 3 == 0)
        expected = [
            base + (lane ^ 5),
            base + (lane - 3 if lane >= 3 else lane),
            base + (lane + 3 if lane + 3 < 32 else lane),
            base + 9,
            ballot,
            0,
            1,
            13,
            base + (lane ^ (1 if lane < 16 else 2)),
        ]
        signed = [value - (value >> 31 << 32) for value in expected]
        assert found[9 * thread : 9 * thread + 9] == signed


def test_the_order_of_threads_goes_by_the_seed(program: Path) -> None:
    orders = [numbers(run(program, "race", seed)[0]) for seed in SEEDS]
    assert all(sorted(order) == list(range(64)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(SEEDS)
    assert orders[3] == numbers(run(program, "race", 3)[0])


def test_nothing_runs_before_its_stream_is_synchronised(program: Path) -> None:
    before, after = run(program, "streams")
    assert numbers(before) == []
    assert numbers(after) == [1, 3, 0, 2]


def test_counters_tell_accesses_from_memory_traffic(program: Path) -> None:
    (line,) = run(program, "counters")
    counter = json.loads(line)["touch_memory"]
    assert (counter["launches"], counter["blocks"], counter["threads_per_block"]) == (1, 1, 64)
    assert (counter["loaded_bytes"], counter["stored_bytes"]) == (64 * 4, 64 * 4)
    assert counter["distinct_bytes"] == 32 + 64 * 4, "one sector is read, eight are written"
