"""Prometheus text under the names that dashboards for Kafka Connect know."""

from __future__ import annotations

from appliance.telemetry.metrics import (
    Sample,
    custom_tags,
    prometheus_text,
    task_samples,
    worker_sample,
)


def test_jmx_exporters_names_are_used_when_a_task_is_rendered():
    """Group and attribute make the name, connector and task the labels."""
    figures: dict[str, float | int | str] = {
        "source-record-poll-total": 5,
        "running-ratio": 0.5,
        "binlog-file": "b.01",
    }

    text = prometheus_text(task_samples('o"x', 0, figures))

    assert (
        'kafka_connect_source_task_source_record_poll_total{connector="o\\"x",task="0"} 5' in text
    )
    assert "# TYPE kafka_connect_source_task_source_record_poll_total counter" in text
    assert 'kafka_connect_connector_task_running_ratio{connector="o\\"x",task="0"} 0.5' in text
    assert (
        'ingest_appliance_task_binlog_file_info{connector="o\\"x",task="0",value="b.01"} 1' in text
    )


def test_families_stay_together_when_samples_are_mixed():
    """One TYPE line per name."""
    samples = [worker_sample("task-count", 2), Sample("a", (), 1), worker_sample("task-count", 3)]

    assert prometheus_text(samples).count("# TYPE kafka_connect_worker_task_count") == 1


def test_custom_tags_become_labels_when_they_are_given():
    """Names are made valid ones, and none takes the place of a label of our own."""
    tags = custom_tags("env=prod, 2nd-team = data ,task=x")

    text = prometheus_text(task_samples("c", 0, {"running-ratio": 1}, tags))

    labels = 'connector="c",task="0",env="prod",_2nd_team="data",custom_task="x"'
    assert f"kafka_connect_connector_task_running_ratio{{{labels}}} 1" in text
