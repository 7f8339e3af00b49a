from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitome.errors import InputError
from pitome.validate.resume import SCHEMA_VERSION, ResumableLog, differences
from tests.checkout import ROOT

CONFIGURATION = {"models": {"merged": "aa", "unmerged": "bb"}, "batches": (1, 8), "seed": 0}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)


def finished(path: Path, configuration=CONFIGURATION, note=None):
    with ResumableLog.open(path, configuration, note) as log:
        return log.finished


def written(path: Path, *records):
    with ResumableLog.open(path, CONFIGURATION) as log:
        for record in records:
            log.append(record)
    return path


def refusal(path: Path, configuration=CONFIGURATION) -> str:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError) as caught:
        ResumableLog.open(path, configuration)
    assert (path.read_bytes() if path.is_file() else None) == before
    return str(caught.value)


def notes_of(path: Path, error: BaseException, *records: object) -> list[str]:
    """What an error says beside its text that stops the work after these records."""
    written(path, *records)
    with pytest.raises(type(error)), ResumableLog.open(path, CONFIGURATION):
        raise error
    return getattr(error, "__notes__", [])


def test_a_stop_says_how_many_records_there_are(tmp_path):
    path = tmp_path / "bench.jsonl"
    assert notes_of(path, KeyboardInterrupt()) == []
    assert notes_of(path, KeyboardInterrupt(), {"batch": 1}) == [
        f"1 record is in {path}; the same command goes on with it"
    ]
    assert notes_of(path, KeyboardInterrupt(), {"batch": 8}) == [
        f"2 records are in {path}; the same command goes on with it"
    ]
    assert notes_of(path, ValueError("a reason of its own")) == []


def test_records_are_taken_over(tmp_path):
    path, notes = tmp_path / "deep" / "bench.jsonl", []
    assert finished(path, note=notes.append) == []
    assert notes == []
    written(path, {"batch": 1}, {"batch": 8, "text": "two\nlines\u2028"})
    with ResumableLog.open(path, CONFIGURATION, notes.append) as log:
        assert log.finished == [{"batch": 1}, {"batch": 8, "text": "two\nlines\u2028"}]
        log.append({"batch": (16,)})
        assert log.finished[-1] == {"batch": [16]}
    assert [record["batch"] for record in finished(path)] == [1, 8, [16]]
    assert notes == [f"{path}: took over 2 finished records"]
    first = json.loads(path.read_text().splitlines()[0])
    assert first["schema_version"] == SCHEMA_VERSION
    assert first["configuration"]["batches"] == [1, 8]


@given(configuration=json_objects, records=st.lists(json_objects, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(tmp_path_factory, configuration, records):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    with ResumableLog.open(path, configuration) as log:
        for record in records:
            log.append(record)
    assert finished(path, configuration) == records


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_keeps_every_whole_line(tmp_path_factory, data):
    path = written(tmp_path_factory.mktemp("log") / "log.jsonl", {"batch": 1}, {"batch": 8}, {"batch": 32})
    content = path.read_bytes()
    cut = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(cut)
    notes: list[str] = []
    whole = cut.decode().splitlines(keepends=True)
    wanted = [json.loads(line) for line in whole[1:] if line.endswith("\n")]
    assert finished(path, note=notes.append) == wanted
    dropped = bool(cut) and not cut.endswith(b"\n")
    assert any("dropped the last line" in note for note in notes) is dropped
    written(path, {"batch": 2})  # and it can be gone on with
    assert finished(path) == [*wanted, {"batch": 2}]


def test_other_configurations_are_refused_with_both_values(tmp_path):
    path = written(tmp_path / "bench.jsonl", {"batch": 1})
    other = {"models": {"merged": "cc", "unmerged": "bb"}, "batches": [1, 8, 32], "threads": 2}
    message = refusal(path, other)
    assert "the file was written with another configuration" in message
    assert 'models.merged is "aa" in it and "cc" now' in message
    assert "batches is [1, 8] in it and [1, 8, 32] now" in message
    assert "seed is 0 in it and absent now" in message
    assert "threads is absent in it and 2 now" in message
    assert "unmerged" not in message
    assert f"Give what it was written with, name another file, or delete {path} to start again" in message


def test_many_differences_are_counted(tmp_path):
    path = written(tmp_path / "log.jsonl")
    message = refusal(path, {**CONFIGURATION, **{f"option {i}": i for i in range(11)}})
    assert "option 7 is absent in it and 7 now; and 3 more differences" in message
    assert "option 8" not in message


def slow_differences(before, now):
    """Names at which two flattened values differ."""

    def flat(value, name=()):
        if isinstance(value, dict) and value:
            return {k: v for key, inner in value.items() for k, v in flat(inner, (*name, key)).items()}
        return {name: json.dumps(value)}

    one, other = flat(before), flat(now)
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


@given(before=json_objects, now=json_objects)
@settings(max_examples=100, deadline=None)
def test_differences_are_found_where_values_differ(before, now):
    assert bool(list(differences(before, now))) is bool(slow_differences(before, now))
    assert list(differences(before, json.loads(json.dumps(before)))) == []


def test_one_and_true_differ():
    assert list(differences({"a": 1}, {"a": True})) == [("a", "1", "true")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"batch": 1', "line 3 is malformed (Expecting"),
        (b"", "line 3 is malformed (Expecting value"),
        (b"[1]", "line 3 is malformed (it is no JSON object)"),
        (b'{"batch": NaN}', "line 3 is malformed (batch: NaN is no number in JSON)"),
        (b"\xff\xfe", "line 3 is malformed ("),
        (b"[" * 100_000, "line 3 is malformed ("),
    ],
)
def test_malformed_lines_are_named(tmp_path, line, message):
    path = written(tmp_path / "log.jsonl", {"batch": 1})
    path.write_bytes(path.read_bytes() + line + b"\n" + b'{"batch": 2}\n')
    found = refusal(path)
    assert message in found
    assert "Repair or delete the line, or name another file" in found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dear diary", "line 1 is malformed (it is not the start of such a file)"),
        (b"dear diary\n", "line 1 is malformed (Expecting value"),
        (b'{"batch": 1}\n', "line 1 is malformed (it is not a configuration)"),
        (b'{"schema_version": 1, "configuration": 1}\n', "line 1 is malformed (it is not a configuration)"),
        (
            b'{"schema_version": 2, "configuration": {}}\n',
            "the file has schema version 2, this pitome writes 1",
        ),
    ],
)
def test_other_files_are_left_as_they_are(tmp_path, content, message):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert message in refusal(path)


def test_a_folder_is_refused(tmp_path):
    assert "the file can't be used (Is a directory). Name a file" in refusal(tmp_path)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "the file can't be used" in refusal(tmp_path / "file" / "log.jsonl")


def test_another_writer_is_refused_until_it_ends(tmp_path):
    path = tmp_path / "log.jsonl"
    script = (
        "import sys; from pathlib import Path; from pitome.validate.resume import ResumableLog\n"
        "with ResumableLog.open(Path(sys.argv[1]), {'seed': 0}) as log:\n"
        "    log.append({'batch': 1}); print('open', flush=True); sys.stdin.read()\n"
    )
    root = ROOT
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "open\n"
        message = refusal(path, {"seed": 0})
        assert "another process is writing to it. Wait for it to end, or name another file" in message
        other.stdin.close()
        assert other.wait(30) == 0
    assert finished(path, {"seed": 0}) == [{"batch": 1}]


def test_a_refused_file_is_free_again(tmp_path):
    path = written(tmp_path / "log.jsonl")
    refusal(path, {"seed": 1})
    assert finished(path) == []


def test_values_that_are_no_json_are_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    with pytest.raises(ValueError, match="not a JSON value"):
        ResumableLog.open(path, {"path": path})
    with ResumableLog.open(path, {}) as log:
        for record in ({"seconds": float("nan")}, {"path": path}):
            with pytest.raises(ValueError, match=re.compile("JSON")):
                log.append(record)
        assert log.finished == []
    assert finished(path, {}) == []


def test_a_full_disk_leaves_no_half_line(tmp_path):
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from pitome.errors import InputError; from pitome.validate.resume import ResumableLog\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))\n"
        "with ResumableLog.open(Path(sys.argv[1]), {'seed': 0}) as log:\n"
        "    log.append({'batch': 1})\n"
        "    try:\n"
        "        log.append({'batch': 'x' * 500})\n"
        "    except InputError as error:\n"
        "        print(error)\n"
        "    log.append({'batch': 2})\n"
    )
    path = tmp_path / "log.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"writing to {path}: the file can't be used (File too large)" in done.stdout
    assert finished(path, {"seed": 0}) == [{"batch": 1}, {"batch": 2}]
