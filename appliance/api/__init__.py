"""What plugin authors import: connectors, tasks, converters, transforms, predicates and the batch."""

from appliance.api.batch import NULL, Batch, Const, Layout, Var, row_form
from appliance.api.connector import (
    Connector,
    ConnectorContext,
    OffsetChange,
    OffsetCheck,
    OffsetPreview,
)
from appliance.api.converter import Converter, Detached, Encoder, HeaderConverter, RawHeaders, Run
from appliance.api.plugin import KAFKA_VERSION, Plugin
from appliance.api.task import (
    ErrantRecordReporter,
    SinkTask,
    SinkTaskContext,
    SourceTask,
    SourceTaskContext,
    TaskContext,
)
from appliance.api.transform import Predicate, Stage, Transform

__all__ = [
    "KAFKA_VERSION",
    "NULL",
    "Batch",
    "Connector",
    "ConnectorContext",
    "Const",
    "Converter",
    "Detached",
    "Encoder",
    "ErrantRecordReporter",
    "HeaderConverter",
    "Layout",
    "OffsetChange",
    "OffsetCheck",
    "OffsetPreview",
    "Plugin",
    "Predicate",
    "RawHeaders",
    "Run",
    "SinkTask",
    "SinkTaskContext",
    "SourceTask",
    "SourceTaskContext",
    "Stage",
    "TaskContext",
    "Transform",
    "Var",
    "row_form",
]
