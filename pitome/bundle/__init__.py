"""The bundle: its schema, how it is written, read and verified, and how it is published. Imports no torch."""

from pitome.bundle.build_options import CheckOptions, ModelOptions, PlanOptions
from pitome.bundle.build_record import AccuracyRecord, BuildRecord, EnvironmentRecord
from pitome.bundle.graph_records import GraphRecord, OnnxRecord, PlanRecord, TensorRecord
from pitome.bundle.latency_records import LatencyReport
from pitome.bundle.manifest import SCHEMA_VERSION, Manifest
from pitome.bundle.merge_records import FlopsRecord, MethodRecord, ScheduleRecord
from pitome.bundle.model_records import CardRecord, ModelRecord, WeightsRecord
from pitome.bundle.parity_records import ParityReport
from pitome.bundle.preprocess_record import ImagePreprocess, ResizeRecord, TextPreprocess
from pitome.bundle.record import (
    DIGEST_NAME,
    MANIFEST_NAME,
    AssetRecord,
    FileRecord,
    NativeRecord,
    SizedFileRecord,
)
from pitome.bundle.verification import (
    digest_of,
    file_sha256,
    is_bundle,
    read_manifest,
    valid_files,
    verify_bundle,
    write_manifest,
)

__all__ = [
    "DIGEST_NAME",
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "AccuracyRecord",
    "AssetRecord",
    "BuildRecord",
    "CardRecord",
    "CheckOptions",
    "EnvironmentRecord",
    "FileRecord",
    "FlopsRecord",
    "GraphRecord",
    "ImagePreprocess",
    "LatencyReport",
    "Manifest",
    "MethodRecord",
    "ModelOptions",
    "ModelRecord",
    "NativeRecord",
    "OnnxRecord",
    "ParityReport",
    "PlanOptions",
    "PlanRecord",
    "ResizeRecord",
    "ScheduleRecord",
    "SizedFileRecord",
    "TensorRecord",
    "TextPreprocess",
    "WeightsRecord",
    "digest_of",
    "file_sha256",
    "is_bundle",
    "read_manifest",
    "valid_files",
    "verify_bundle",
    "write_manifest",
]
