"""Options of the file-writing sinks, under the keys of Confluent's storage connectors."""

from __future__ import annotations

from typing import Any, Final

from appliance.config.define import NO_DEFAULT, ConfigKey, Importance, Width
from appliance.config.types import ConfigType
from appliance.config.validators import OneOf, at_least

STORE_URL: Final = "store.url"
TOPICS_DIR: Final = "topics.dir"
LOGS_DIR: Final = "logs.dir"
CAPTURE_REGEX: Final = "topic.capture.groups.regex"
FLUSH_SIZE: Final = "flush.size"
ROTATE_MS: Final = "rotate.interval.ms"
SCHEDULE_MS: Final = "rotate.schedule.interval.ms"
BACKOFF_MS: Final = "retry.backoff.ms"
SHUTDOWN_MS: Final = "shutdown.timeout.ms"
PAD_WIDTH: Final = "filename.offset.zero.pad.width"
FORMAT_CLASS: Final = "format.class"
AVRO_CODEC: Final = "avro.codec"
PARQUET_CODEC: Final = "parquet.codec"
COMPATIBILITY: Final = "schema.compatibility"
META_DATA: Final = "connect.meta.data"
ENHANCED_AVRO: Final = "enhanced.avro.schema.support"
OPTIONAL_MAP_KEYS: Final = "allow.optional.map.keys"
SCHEMAS_CACHE: Final = "schemas.cache.config"
PARTITIONER: Final = "partitioner.class"
PARTITION_FIELD: Final = "partition.field.name"
DURATION_MS: Final = "partition.duration.ms"
PATH_FORMAT: Final = "path.format"
LOCALE: Final = "locale"
TIMEZONE: Final = "timezone"
EXTRACTOR: Final = "timestamp.extractor"
TIMESTAMP_FIELD: Final = "timestamp.field"
DIRECTORY_DELIM: Final = "directory.delim"
FILE_DELIM: Final = "file.delim"
STORAGE_CLASS: Final = "storage.class"
NULL_VALUES: Final = "behavior.on.null.values"
SPOOL_DIR: Final = "spool.dir"
HIVE: Final = "hive.integration"

_STORAGE: Final = "Storage"
_CONNECTOR: Final = "Connector"
_PARTITIONER: Final = "Partitioner"


def common_keys(default_format: str) -> list[ConfigKey]:
    """Give the options that every file-writing sink has."""
    t = ConfigType
    high, medium, low = Importance.HIGH, Importance.MEDIUM, Importance.LOW
    rows: list[tuple[Any, ...]] = [
        (
            (_STORAGE, TOPICS_DIR, t.STRING, "topics", high, "Topics Directory", Width.LONG),
            None,
            "Folder below the store's root that holds one folder per topic.",
        ),
        (
            (_STORAGE, LOGS_DIR, t.STRING, "logs", high, "Logs Directory", Width.LONG),
            None,
            "Folder for the commit records of the connector; another one for each connector.",
        ),
        (
            (
                _STORAGE,
                CAPTURE_REGEX,
                t.STRING,
                None,
                low,
                "Topic Capture Groups Regex",
                Width.LONG,
            ),
            None,
            "Regular expression for the whole topic; ${1} in topics.dir and logs.dir is its first group.",
        ),
        (
            (_STORAGE, STORAGE_CLASS, t.STRING, "", low, "Storage Class", Width.NONE),
            None,
            "Accepted for the sake of existing configurations; the store follows from its URL.",
        ),
        (
            (_STORAGE, SPOOL_DIR, t.STRING, "", low, "Spool Directory", Width.LONG),
            None,
            "Local folder in which files grow before they are uploaded; empty: the daemon's state folder.",
        ),
        (
            (_CONNECTOR, FORMAT_CLASS, t.STRING, default_format, high, "Format Class", Width.LONG),
            None,
            "The file format: avro, parquet, json or string, by its class name or short name.",
        ),
        (
            (_CONNECTOR, FLUSH_SIZE, t.INT, NO_DEFAULT, high, "Flush Size", Width.LONG),
            at_least(1),
            "Records of a topic partition after which its open files are committed.",
        ),
        (
            (_CONNECTOR, ROTATE_MS, t.LONG, -1, high, "Rotate Interval (ms)", Width.MEDIUM),
            None,
            (
                "Longest time that the records of one file span, by the timestamp extractor where the "
                "partitioner is one by time; -1: no limit."
            ),
        ),
        (
            (
                _CONNECTOR,
                SCHEDULE_MS,
                t.LONG,
                -1,
                medium,
                "Rotate Schedule Interval (ms)",
                Width.MEDIUM,
            ),
            None,
            "Files are committed at every multiple of this after midnight in timezone; -1: not by the clock.",
        ),
        (
            (
                _CONNECTOR,
                COMPATIBILITY,
                t.STRING,
                "NONE",
                high,
                "Schema Compatibility",
                Width.SHORT,
            ),
            None,
            "How records of another schema version go into an open file: NONE, BACKWARD, FORWARD, FULL.",
        ),
        (
            (_CONNECTOR, BACKOFF_MS, t.LONG, 5000, low, "Retry Backoff (ms)", Width.SHORT),
            at_least(0),
            "Pause after an error of the store; it is tried again until it works.",
        ),
        (
            (_CONNECTOR, SHUTDOWN_MS, t.LONG, 3000, medium, "Shutdown Timeout (ms)", Width.SHORT),
            None,
            "Accepted for the sake of existing configurations.",
        ),
        (
            (_CONNECTOR, PAD_WIDTH, t.INT, 10, low, "Filename Offset Zero Pad Width", Width.LONG),
            at_least(0),
            "Least number of digits of the offsets in file names.",
        ),
        (
            (_CONNECTOR, AVRO_CODEC, t.STRING, "null", low, "Avro Compression Codec", Width.SHORT),
            OneOf(("null", "deflate", "snappy", "bzip2")),
            "Compression of Avro files.",
        ),
        (
            (
                _CONNECTOR,
                PARQUET_CODEC,
                t.STRING,
                "snappy",
                low,
                "Parquet Compression Codec",
                Width.SHORT,
            ),
            OneOf(("none", "gzip", "snappy", "lz4", "brotli", "zstd", "uncompressed")),
            "Compression of Parquet files.",
        ),
        (
            (_CONNECTOR, META_DATA, t.BOOLEAN, True, low, "Connect Metadata", Width.SHORT),
            None,
            "Whether Avro schemas carry Connect's name, version and parameters.",
        ),
        (
            (
                _CONNECTOR,
                ENHANCED_AVRO,
                t.BOOLEAN,
                True,
                low,
                "Enhanced Avro Support",
                Width.SHORT,
            ),
            None,
            "Whether Avro enums and package names survive.",
        ),
        (
            (
                _CONNECTOR,
                OPTIONAL_MAP_KEYS,
                t.BOOLEAN,
                False,
                low,
                "Optional Map Keys",
                Width.SHORT,
            ),
            None,
            "Whether maps with optional text keys are written as Avro maps.",
        ),
        (
            (_CONNECTOR, SCHEMAS_CACHE, t.INT, 1000, low, "Schema Cache Size", Width.MEDIUM),
            None,
            "Accepted for the sake of existing configurations.",
        ),
        (
            (
                _CONNECTOR,
                NULL_VALUES,
                t.STRING,
                "fail",
                low,
                "Behavior for null-valued records",
                Width.SHORT,
            ),
            OneOf(("fail", "ignore"), ignore_case=True),
            "What happens to a record without a value.",
        ),
        (
            (
                _PARTITIONER,
                PARTITIONER,
                t.STRING,
                f"{_PACKAGE}.DefaultPartitioner",
                high,
                "Partitioner",
                Width.LONG,
            ),
            None,
            "How records are spread over folders: Default, Field, TimeBased, Hourly or DailyPartitioner.",
        ),
        (
            (
                _PARTITIONER,
                PARTITION_FIELD,
                t.LIST,
                "",
                medium,
                "Partition Field Name",
                Width.NONE,
            ),
            None,
            "The fields whose values name the folders, for FieldPartitioner.",
        ),
        (
            (
                _PARTITIONER,
                DURATION_MS,
                t.LONG,
                -1,
                medium,
                "Partition Duration (ms)",
                Width.SHORT,
            ),
            None,
            "The length of time that one folder holds, for TimeBasedPartitioner.",
        ),
        (
            (_PARTITIONER, PATH_FORMAT, t.STRING, "", medium, "Path Format", Width.LONG),
            None,
            "The folders of a moment, in Joda's letters, as in 'year'=YYYY/'month'=MM/'day'=dd.",
        ),
        (
            (_PARTITIONER, LOCALE, t.STRING, "", medium, "Locale", Width.MEDIUM),
            None,
            (
                "The language of names of months and days in path.format, which can only be English: another "
                "locale is refused where path.format has such names (MMM, E, a); to digits it makes no "
                "difference."
            ),
        ),
        (
            (_PARTITIONER, TIMEZONE, t.STRING, "", medium, "Timezone", Width.MEDIUM),
            None,
            "The zone in which days begin: a region, UTC, or an offset such as +01:00.",
        ),
        (
            (
                _PARTITIONER,
                EXTRACTOR,
                t.STRING,
                "Wallclock",
                medium,
                "Timestamp Extractor",
                Width.LONG,
            ),
            None,
            (
                "Where a record's time comes from, for partitioners by time: Wallclock, Record (Kafka's) or "
                "RecordField. With other partitioners it is Wallclock."
            ),
        ),
        (
            (
                _PARTITIONER,
                TIMESTAMP_FIELD,
                t.STRING,
                "timestamp",
                medium,
                "Timestamp Field",
                Width.LONG,
            ),
            None,
            "The field that holds the time, for RecordField.",
        ),
        (
            (_STORAGE, DIRECTORY_DELIM, t.STRING, "/", medium, "Directory Delimiter", Width.LONG),
            None,
            "What stands between folders.",
        ),
        (
            (_STORAGE, FILE_DELIM, t.STRING, "+", medium, "File Delimiter", Width.LONG),
            None,
            "Accepted for the sake of existing configurations; file names are joined by +.",
        ),
    ]
    return [
        ConfigKey(
            name,
            type_,
            default,
            validator=validator,
            importance=importance,
            doc=doc,
            group=group,
            order=order,
            width=width,
            display_name=label,
        )
        for order, (
            (group, name, type_, default, importance, label, width),
            validator,
            doc,
        ) in enumerate(rows, 1)
    ]


_PACKAGE: Final = "io.confluent.connect.storage.partitioner"
